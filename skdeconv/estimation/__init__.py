"""Noise level, and what else an image tells about its own degradation."""

from skdeconv.estimation._noise import estimate_noise_std
from skdeconv.estimation._poisson import estimate_noise_variance

__all__ = ["estimate_noise_std", "estimate_noise_variance"]
