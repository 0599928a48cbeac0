"""Trained restorers as files: safetensors with a readable record, and ONNX."""

from skdeconv.neural._keeping._encoding import fingerprint
from skdeconv.neural._keeping._mixin import KeepingMixin

__all__ = ["KeepingMixin", "fingerprint"]
