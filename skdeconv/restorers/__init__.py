"""Classical restorers, and what all restorers share."""

from skdeconv.restorers._base import BaseRestorer, RestorerMixin
from skdeconv.restorers._bilateral import BilateralRestorer
from skdeconv.restorers._block_matching import BlockMatchingRestorer
from skdeconv.restorers._median import MedianRestorer
from skdeconv.restorers._nonlocal_means import NonLocalMeansRestorer
from skdeconv.restorers._richardson_lucy import RichardsonLucyRestorer
from skdeconv.restorers._sparse_coding import SparseCodingRestorer
from skdeconv.restorers._total_variation import TotalVariationRestorer
from skdeconv.restorers._wavelet import WaveletRestorer
from skdeconv.restorers._wiener import WienerRestorer

__all__ = [
    "BaseRestorer",
    "BilateralRestorer",
    "BlockMatchingRestorer",
    "MedianRestorer",
    "NonLocalMeansRestorer",
    "RestorerMixin",
    "RichardsonLucyRestorer",
    "SparseCodingRestorer",
    "TotalVariationRestorer",
    "WaveletRestorer",
    "WienerRestorer",
]
