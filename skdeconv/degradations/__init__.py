"""Noise, and degradations that turn clean images into those one has."""

from skdeconv.degradations._coding import JPEGCompression, Quantisation
from skdeconv.degradations._degradation import Degradation
from skdeconv.degradations._mixed_noise import PoissonGaussianNoise, SaltAndPepperNoise
from skdeconv.degradations._noise import GaussianNoise, Noise, PoissonNoise

__all__ = [
    "Degradation",
    "GaussianNoise",
    "JPEGCompression",
    "Noise",
    "PoissonGaussianNoise",
    "PoissonNoise",
    "Quantisation",
    "SaltAndPepperNoise",
]
