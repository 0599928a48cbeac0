"""Restorers that learn: networks trained by skorch."""

from skdeconv.neural._deconv import DeconvRestorer
from skdeconv.neural._losses import (
    CharbonnierLoss,
    FrequencyLoss,
    MixedLoss,
    SSIMLoss,
)

__all__ = [
    "CharbonnierLoss",
    "DeconvRestorer",
    "FrequencyLoss",
    "MixedLoss",
    "SSIMLoss",
]
