"""Noise level, and what else an image tells about its own degradation."""

from skdeconv.estimation._noise import estimate_noise_std

__all__ = ["estimate_noise_std"]
