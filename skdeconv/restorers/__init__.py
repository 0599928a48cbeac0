"""Classical restorers, and what all restorers share."""

from skdeconv.restorers._base import BaseRestorer, RestorerMixin
from skdeconv.restorers._least_squares import LeastSquaresRestorer
from skdeconv.restorers._richardson_lucy import RichardsonLucyRestorer
from skdeconv.restorers._sparse_coding import SparseCodingRestorer
from skdeconv.restorers._total_variation import TotalVariationRestorer
from skdeconv.restorers._wiener import WienerRestorer

__all__ = [
    "BaseRestorer",
    "LeastSquaresRestorer",
    "RestorerMixin",
    "RichardsonLucyRestorer",
    "SparseCodingRestorer",
    "TotalVariationRestorer",
    "WienerRestorer",
]
