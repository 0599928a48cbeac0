"""skorch callbacks: averaging, validation, early stopping, divergence, progress."""

import math
from copy import deepcopy

import torch
from skorch.callbacks import Callback
from tqdm.auto import tqdm

from skdeconv.networks._layers import check_answer


class StopTraining(Exception):
    """Raised by a callback when training is over in the middle of an epoch."""


class Resumable(Callback):
    """Callback whose attributes that end in ``_`` are its whole state."""

    def state_dict(self) -> dict:
        """Give the state."""
        return {k: v for k, v in vars(self).items() if k.endswith("_")}

    def load_state_dict(self, state: dict) -> None:
        """Go on from a state."""
        vars(self).update(state)


class Divergence(Callback):
    """Raise an error where the loss is no longer a number."""

    def on_batch_end(self, net, training=False, **kwargs):
        if training and not math.isfinite(net.history[-1, "batches", -1, "train_loss"]):
            also = "".join(
                f" or {name}" for name in getattr(net.objective, "levers", ())
            )
            raise ValueError(
                f"training diverged: the loss is not finite in epoch "
                f"{len(net.history)}; lower lr (here {net.lr:g}){also} or check the "
                "data."
            )


class Terms(Callback):
    """Record the mean over an epoch of what the objective records of every batch."""

    def on_epoch_end(self, net, **kwargs):
        for name in getattr(net.objective, "terms", ()):
            batches = net.history[-1]["batches"]
            values = [batch[name] for batch in batches if name in batch]
            if values:
                net.history.record(name, sum(values) / len(values))


class Averaging(Resumable):
    """Keep an exponential average of the weights, which becomes the model.

    Parameters
    ----------
    decay : float or None
        Weight of the past, in [0, 1); it counts for less during the first steps. None
        averages nothing.
    """

    def __init__(self, decay):
        self.decay = decay

    def on_train_begin(self, net, **kwargs):
        self.step_ = 0
        if self.decay is not None:
            # Not by setattr, to which skorch lets no module but in initialize_module.
            averaged = deepcopy(net.module_).requires_grad_(False).eval()
            vars(net)["averaged_"] = averaged

    @torch.no_grad()
    def on_batch_end(self, net, training=False, **kwargs):
        if self.decay is None or not training:
            return
        self.step_ += 1
        decay = min(self.decay, (1 + self.step_) / (10 + self.step_))
        new, old = net.module_.state_dict(), net.averaged_.state_dict()
        floating = [name for name, value in old.items() if value.is_floating_point()]
        torch._foreach_lerp_(
            [old[name] for name in floating],
            [new[name] for name in floating],
            1 - decay,
        )
        for name in old.keys() - floating:
            old[name].copy_(new[name])

    def on_train_end(self, net, **kwargs):
        if net.averaged_ is not None:
            net.module_.load_state_dict(net.averaged_.state_dict())
            net.averaged_ = None


class Validation(Resumable):
    """Record the mean PSNR on held-out images; keep the best weights if asked to.

    Parameters
    ----------
    images : TrainingImages
        What is held out of.
    indices : sequence of int
        The held-out images; nothing is recorded where there are none.
    patience : int or None
        Epochs without a better PSNR after which training stops and the best weights
        return; None only records.
    """

    def __init__(self, images, indices, patience=None):
        self.images, self.indices, self.patience = images, indices, patience

    def on_train_begin(self, net, **kwargs):
        self.best_, self.waited_, self.weights_ = -math.inf, 0, None

    def on_epoch_end(self, net, **kwargs):
        if not len(self.indices):
            return
        psnr = self._psnr(net)
        net.history.record("valid_psnr", psnr)
        net.history.record("valid_psnr_best", psnr > self.best_)
        if psnr > self.best_:
            self.best_, self.waited_ = psnr, 0
            if self.patience is not None:
                model = net.module_ if net.averaged_ is None else net.averaged_
                self.weights_ = deepcopy(model.state_dict())
            return
        self.waited_ += 1
        if self.patience is not None and self.waited_ >= self.patience:
            net.finished_ = True

    def on_train_end(self, net, **kwargs):
        if self.weights_ is not None:
            net.module_.load_state_dict(self.weights_)
        # The images are not part of the fitted estimator.
        self.weights_, self.images, self.indices = None, None, ()

    def _psnr(self, net):
        net.module_.eval()
        errors = []
        with torch.inference_mode():
            for x, y in self.images.whole(self.indices):
                answer = net.infer(x)
                shown = x[0] if isinstance(x, tuple) else x
                check_answer(shown, answer, tuple(y.shape[1:]))
                error = (answer - y.to(net.device)).square().mean()
                errors.append(error.clamp(min=1e-12))
            return float(-10 * torch.stack(errors).log10().mean())


class Progress(Callback):
    """Show one bar for the whole training.

    Parameters
    ----------
    n_steps : int
        Steps that training will take.
    shown : bool
        Whether to show it.
    """

    def __init__(self, n_steps, shown):
        self.n_steps, self.shown = n_steps, shown

    def on_train_begin(self, net, **kwargs):
        self.bar_ = tqdm(
            total=self.n_steps, desc="fit", unit="batch", disable=not self.shown
        )

    def on_batch_end(self, net, training=False, **kwargs):
        if training:
            self.bar_.update()

    def on_epoch_end(self, net, **kwargs):
        row = net.history[-1]
        shown = {"epoch": row["epoch"], "loss": f"{row['train_loss']:.3g}"}
        if "valid_psnr" in row:
            shown["valid_psnr"] = f"{row['valid_psnr']:.2f}"
        self.bar_.set_postfix(shown)

    def on_train_end(self, net, **kwargs):
        self.bar_.close()
        self.bar_ = None
