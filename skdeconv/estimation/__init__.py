"""Noise level, and what else an image tells about its own degradation."""

from skdeconv.estimation._cross_validation import cross_validate
from skdeconv.estimation._curves import lowest
from skdeconv.estimation._misfit import unexplained_noise_std
from skdeconv.estimation._noise import estimate_noise_std
from skdeconv.estimation._noise_curve import NoiseCurve, estimate_noise_curve
from skdeconv.estimation._poisson import estimate_noise_variance
from skdeconv.estimation._scorer import make_risk_scorer, risk_scorer
from skdeconv.estimation._sparsity import sparse_alpha
from skdeconv.estimation._spectrum import (
    PowerLaw,
    fit_power_law,
    image_power,
    linear_risk,
    linear_risks,
    periodogram,
)

__all__ = [
    "NoiseCurve",
    "PowerLaw",
    "cross_validate",
    "estimate_noise_curve",
    "estimate_noise_std",
    "estimate_noise_variance",
    "fit_power_law",
    "image_power",
    "linear_risk",
    "linear_risks",
    "lowest",
    "make_risk_scorer",
    "periodogram",
    "risk_scorer",
    "sparse_alpha",
    "unexplained_noise_std",
]
