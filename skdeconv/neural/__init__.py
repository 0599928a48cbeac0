"""Restorers that learn: networks trained by skorch."""

from skdeconv.neural._adversarial import AdversarialRestorer
from skdeconv.neural._deconv import DeconvRestorer
from skdeconv.neural._losses import (
    CharbonnierLoss,
    FrequencyLoss,
    MixedLoss,
    PSNRLoss,
    SSIMLoss,
)
from skdeconv.neural._muon import Muon
from skdeconv.neural._pretrained import PretrainedDenoiser
from skdeconv.neural._unrolled import UnrolledRestorer
from skdeconv.neural._variational import VariationalRestorer

__all__ = [
    "AdversarialRestorer",
    "CharbonnierLoss",
    "DeconvRestorer",
    "FrequencyLoss",
    "MixedLoss",
    "Muon",
    "PSNRLoss",
    "PretrainedDenoiser",
    "SSIMLoss",
    "UnrolledRestorer",
    "VariationalRestorer",
]
