"""The skorch net that trains a restorer, and seeds that stay local."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress

import torch
from skorch import NeuralNet
from torch import Tensor, nn

from skdeconv.networks._layers import enlarge
from skdeconv.neural._callbacks import StopTraining

_SEED_LOCK = threading.RLock()


@contextmanager
def local_seed(seed: int, device: str) -> Iterator[None]:
    """Seed torch's global generators inside the block and put them back after it.

    Other threads wait: the generators are the process's.
    """
    devices = [torch.device(device)] if device.startswith("cuda") else []
    with _SEED_LOCK, torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


def has_bfloat16(device: str, ndim: int = 2) -> bool:
    """Whether the device computes in bfloat16 by itself, and soundly.

    Without AMX, torch's convolutions of volumes of few voxels now and then give
    gradients of NaN.
    """
    if device.startswith("cuda"):
        return torch.cuda.is_bf16_supported(including_emulation=False)
    capabilities = torch.cpu.get_capabilities()
    able = capabilities.get("avx512_bf16") and ndim < 3
    return bool(able or capabilities.get("amx_bf16"))


def takes_noise(module: nn.Module) -> bool:
    """Whether ``forward`` takes noise levels after the images."""
    return bool(getattr(module, "noise_map", False))


def bare(network: nn.Module) -> nn.Module:
    """The network inside one that was compiled."""
    return getattr(network, "_orig_mod", network)


class NoOptimizer(torch.optim.Optimizer):
    """Of who only predicts: torch takes seconds to make the first one."""

    def __init__(self):
        self.defaults, self.state, self.param_groups = {}, {}, []


class RestorationNet(NeuralNet):
    """skorch net for images: channels last in memory, bfloat16 where asked for.

    A batch is ``(x, y)``, where x is a tensor, or a tensor and noise levels.

    Parameters
    ----------
    *args
        As for ``skorch.NeuralNet``.
    objective : callable
        ``objective(net, x, y)`` gives the loss of a batch, and the prediction. It may
        have a method ``begin(net)``, called before training, and ``terms``: names of
        what it records of every batch.
    accumulation_steps : int, default=1
        Parts into which a batch is split to save memory.
    enlarge_by : int, default=1
        Factor by which images are interpolated before the network sees them.
    train_bfloat16 : bool, default=False
        Whether training runs under autocast.
    infer_bfloat16 : bool, default=False
        Whether prediction runs under autocast.
    **kwargs
        As for ``skorch.NeuralNet``.
    """

    # Averaged weights, which predict in the place of the others while training runs.
    averaged_ = None
    # Part of the training that is done, in [0, 1], by steps or by the clock.
    progress_ = 0.0
    # Whether it has no optimiser until it is trained.
    only_predicts = False

    def __init__(
        self,
        *args,
        objective,
        accumulation_steps=1,
        enlarge_by=1,
        train_bfloat16=False,
        infer_bfloat16=False,
        **kwargs,
    ):
        self.objective = objective
        self.accumulation_steps = accumulation_steps
        self.enlarge_by = enlarge_by
        self.train_bfloat16 = train_bfloat16
        self.infer_bfloat16 = infer_bfloat16
        super().__init__(*args, **kwargs)

    def initialize_module(self):
        super().initialize_module()
        # torch has this layout for images, and another one for volumes.
        if all(p.ndim != 5 for p in self.module_.parameters()):
            self.module_.to(memory_format=torch.channels_last)
        return self

    def initialize_optimizer(self, **kwargs):
        if not self.only_predicts:
            return super().initialize_optimizer(**kwargs)
        self.optimizer_ = NoOptimizer()
        return self

    def infer(self, x, **fit_params) -> Tensor:
        averages = self.averaged_ is not None and not self.module_.training
        return self.run(self.averaged_ if averages else self.module_, x)

    def twin(self, module):
        """A net beside this one that predicts with another module."""
        twin = object.__new__(type(self))
        vars(twin).update(vars(self), module_=module, averaged_=None)
        return twin

    def run(self, module, x, **options) -> Tensor | tuple[Tensor, ...]:
        """Apply a network to an input, in the precision of its mode.

        It may be asked for more by keywords, and may answer several tensors.
        """
        x, *levels = x if isinstance(x, tuple | list) else (x,)
        x = enlarge(x.to(self.device), self.enlarge_by)
        levels = [level.to(self.device) for level in levels if takes_noise(module)]
        if x.ndim == 4:
            x = x.contiguous(memory_format=torch.channels_last)
        low = self.train_bfloat16 if module.training else self.infer_bfloat16
        autocast = (
            torch.autocast(x.device.type, torch.bfloat16) if low else nullcontext()
        )
        with autocast:
            answer = module(x, *levels, **options)
        if isinstance(answer, tuple):
            return tuple(part.float() for part in answer)
        return answer.float()

    def train_step_single(self, batch, **fit_params):
        self._set_training(True)
        x, y = (_move(tensors, self.device) for tensors in batch)
        parts = zip(*(_split(t, self.accumulation_steps) for t in (x, y)), strict=True)
        total, predictions = 0.0, []
        for x_part, y_part in parts:
            loss, prediction = self.objective(self, x_part, y_part)
            if loss.ndim or not loss.requires_grad:
                raise ValueError(
                    "criterion must give one number, and gradients must reach the "
                    f"module, got a loss of shape {tuple(loss.shape)} "
                    f"{'with' if loss.requires_grad else 'without'} gradients."
                )
            share = len(y_part) / len(y)
            (share * loss).backward()
            total = total + share * loss.detach()
            predictions.append(prediction.detach())
        y_pred = torch.cat(predictions) if len(predictions) > 1 else predictions[0]
        return {"loss": total, "y_pred": y_pred}

    def train(self, dataset, epochs: int) -> bool:
        """Train for some epochs; tell whether the user interrupted it."""
        interrupted = self.cut_short_ = self.finished_ = False
        if self.only_predicts:
            self.only_predicts = False
            self._initialize_optimizer()
        if hasattr(self.objective, "begin"):
            self.objective.begin(self)
        self.notify("on_train_begin", X=dataset, y=None)
        try:
            # A callback may have restored a training that was under way, or over.
            for _ in range(epochs - self.epochs_done_):
                if not self.finished_:
                    self.fit_loop(dataset, None, epochs=1)
        except StopTraining:
            self._close_epoch()
        except KeyboardInterrupt as interrupt:
            interrupted = not _raised_by_skorch(interrupt)
            if interrupted and _inside_search():
                raise
            self._close_epoch()
        finally:
            self.notify("on_train_end", X=dataset, y=None)
        self.module_.eval()
        return interrupted

    def _close_epoch(self):
        """Make the record of an epoch that was left in its middle like the others."""
        row = self.history[-1] if len(self.history) else {"train_loss": None}
        if "train_loss" in row:
            return
        row["batches"] = [b for b in row["batches"] if "train_loss" in b]
        if not row["batches"]:
            self.history.pop()
            return
        self.cut_short_ = True
        with suppress(StopTraining, KeyboardInterrupt):
            self.notify("on_epoch_end", dataset_train=None, dataset_valid=None)


def _raised_by_skorch(error):
    """skorch's own callbacks end training by raising KeyboardInterrupt."""
    frame = error.__traceback__
    while frame.tb_next is not None:
        frame = frame.tb_next
    return frame.tb_frame.f_globals.get("__name__", "").startswith("skorch.callbacks")


def _inside_search():
    """Whether scikit-learn's model selection runs this fit as one of many."""
    frame = sys._getframe()
    while frame is not None:
        if frame.f_globals.get("__name__", "").startswith("sklearn.model_selection"):
            return True
        frame = frame.f_back
    return False


def _move(batch, device):
    """Bring a tensor, or a tuple of them, to a device."""
    if isinstance(batch, tuple | list):
        return tuple(tensor.to(device) for tensor in batch)
    return batch.to(device)


def _split(batch, n):
    """Split tensors, or tuples of them, into n parts of about the same size."""
    if isinstance(batch, tuple | list):
        return list(zip(*(_split(tensor, n) for tensor in batch), strict=True))
    return batch.tensor_split(min(n, len(batch))) if n > 1 else [batch]
