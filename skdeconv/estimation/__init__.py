"""Noise level, and what else an image tells about its own degradation."""

from skdeconv.estimation._cross_validation import cross_validate
from skdeconv.estimation._noise import estimate_noise_std

__all__ = ["cross_validate", "estimate_noise_std"]
