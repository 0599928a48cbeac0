"""Noise, and degradations that turn clean images into those one has."""

from skdeconv.degradations._degradation import Degradation
from skdeconv.degradations._noise import GaussianNoise, Noise, PoissonNoise

__all__ = ["Degradation", "GaussianNoise", "Noise", "PoissonNoise"]
