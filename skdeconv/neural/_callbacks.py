"""skorch callbacks: learning rate, validation, early stopping, progress."""

import math
import time
from copy import deepcopy

import torch
from skorch.callbacks import Callback
from tqdm.auto import tqdm


class StopTraining(Exception):
    """Raised by a callback when training is over before its last epoch."""


class LearningRate(Callback):
    """Set the learning rate before every step, and end training in time.

    Parameters
    ----------
    schedule : {"cosine", "constant"}
        ``"cosine"`` rises linearly during the first 5 % and falls to 0.5 % of the
        initial rate.
    n_steps : int
        Steps that training will take.
    max_time : float or None
        Seconds. The schedule goes by the clock where that is ahead of the steps, so
        that it ends in full when time is short.
    """

    def __init__(self, schedule, n_steps, max_time=None):
        self.schedule, self.n_steps, self.max_time = schedule, n_steps, max_time

    def on_train_begin(self, net, **kwargs):
        self.step_, self.start_ = 0, time.perf_counter()

    def on_batch_begin(self, net, training=False, **kwargs):
        if not training:
            return
        progress = min(self.step_ / self.n_steps, 1)
        if self.max_time is not None:
            elapsed = (time.perf_counter() - self.start_) / self.max_time
            if elapsed >= 1 and self.step_ > 0:
                raise StopTraining
            # A slow first step must not make the clock drive what has time enough.
            if elapsed > 0.1:
                progress = max(progress, min(elapsed, 1))
        self.step_ += 1
        for group in net.optimizer_.param_groups:
            group["lr"] = net.lr * self._factor(progress)

    def on_epoch_end(self, net, **kwargs):
        net.history.record("lr", net.optimizer_.param_groups[0]["lr"])

    def _factor(self, progress):
        if self.schedule == "constant":
            return 1.0
        warmup = 0.05
        if progress < warmup:
            return (progress + 1 / self.n_steps) / (warmup + 1 / self.n_steps)
        fall = 0.5 * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup)))
        return 0.005 + 0.995 * fall


class Divergence(Callback):
    """Raise an error where the loss is no longer a number."""

    def on_batch_end(self, net, training=False, **kwargs):
        if training and not math.isfinite(net.history[-1, "batches", -1, "train_loss"]):
            raise ValueError(
                f"training diverged: the loss is not finite in epoch "
                f"{len(net.history)}; lower lr (here {net.lr:g}) or check the data."
            )


class Validation(Callback):
    """Record the mean PSNR on held-out pairs; keep the best weights if asked to.

    Parameters
    ----------
    pairs : list of (Tensor, Tensor)
        Degraded and clean images ``(1, channels, *spatial)`` of range 1; nothing is
        recorded where there are none.
    patience : int or None
        Epochs without a better PSNR after which training stops and the best weights
        return; None only records.
    """

    def __init__(self, pairs, patience=None):
        self.pairs, self.patience = pairs, patience

    def on_train_begin(self, net, **kwargs):
        self.best_, self.waited_, self.weights_ = -math.inf, 0, None

    def on_epoch_end(self, net, **kwargs):
        if not self.pairs:
            return
        psnr = self._psnr(net)
        net.history.record("valid_psnr", psnr)
        net.history.record("valid_psnr_best", psnr > self.best_)
        if psnr > self.best_:
            self.best_, self.waited_ = psnr, 0
            if self.patience is not None:
                self.weights_ = deepcopy(net.module_.state_dict())
            return
        self.waited_ += 1
        if self.patience is not None and self.waited_ >= self.patience:
            raise StopTraining

    def on_train_end(self, net, **kwargs):
        if self.weights_ is not None:
            net.module_.load_state_dict(self.weights_)
        # The pairs are not part of the fitted estimator.
        self.weights_, self.pairs = None, []

    def _psnr(self, net):
        net.module_.eval()
        with torch.inference_mode():
            errors = [
                (net.infer(x) - y.to(net.device)).square().mean().clamp(min=1e-12)
                for x, y in self.pairs
            ]
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
