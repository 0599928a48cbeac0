"""The skorch net that trains a restorer, and seeds that stay local."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress

import torch
from skorch import NeuralNet
from torch import Tensor

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


def has_bfloat16(device: str) -> bool:
    """Whether the device computes in bfloat16 by itself."""
    if device.startswith("cuda"):
        return torch.cuda.is_bf16_supported(including_emulation=False)
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


class RestorationNet(NeuralNet):
    """skorch net for images: channels last in memory, bfloat16 where asked for.

    Parameters
    ----------
    *args
        As for ``skorch.NeuralNet``.
    train_bfloat16 : bool, default=False
        Whether training runs under autocast.
    infer_bfloat16 : bool, default=False
        Whether prediction runs under autocast.
    **kwargs
        As for ``skorch.NeuralNet``.
    """

    def __init__(self, *args, train_bfloat16=False, infer_bfloat16=False, **kwargs):
        self.train_bfloat16 = train_bfloat16
        self.infer_bfloat16 = infer_bfloat16
        super().__init__(*args, **kwargs)

    def initialize_module(self):
        super().initialize_module()
        # torch has this layout for images, and another one for volumes.
        if all(p.ndim != 5 for p in self.module_.parameters()):
            self.module_.to(memory_format=torch.channels_last)
        return self

    def infer(self, x, **fit_params) -> Tensor:
        x = x.to(self.device)
        if x.ndim == 4:
            x = x.contiguous(memory_format=torch.channels_last)
        low = self.train_bfloat16 if self.module_.training else self.infer_bfloat16
        autocast = (
            torch.autocast(x.device.type, torch.bfloat16) if low else nullcontext()
        )
        with autocast:
            return self.module_(x).float()

    def get_loss(self, y_pred, y_true, *args, **kwargs):
        return self.criterion_(y_pred, y_true.to(self.device))

    def train(self, dataset, epochs: int) -> bool:
        """Train for some epochs; tell whether the user interrupted it."""
        interrupted = False
        self.notify("on_train_begin", X=dataset, y=None)
        try:
            self.fit_loop(dataset, None, epochs=epochs)
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
