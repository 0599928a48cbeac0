"""Image restoration as scikit-learn estimators.

Restorers undo degradations; deep and classical ones share ``fit``, ``predict`` and
``score``. Names are loaded when first used, so that importing the package is fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from skdeconv.degradations import Degradation
    from skdeconv.hybrid import PlugAndPlayRestorer
    from skdeconv.meta import EnsembleRestorer
    from skdeconv.neural import (
        AdversarialRestorer,
        DeconvRestorer,
        PretrainedDenoiser,
        UnrolledRestorer,
        VariationalRestorer,
    )
    from skdeconv.restorers import (
        BaseRestorer,
        BilateralRestorer,
        BlockMatchingRestorer,
        LeastSquaresRestorer,
        MedianRestorer,
        NonLocalMeansRestorer,
        RestorerMixin,
        RichardsonLucyRestorer,
        SparseCodingRestorer,
        TotalVariationRestorer,
        WaveletRestorer,
        WienerRestorer,
    )

__version__ = "0.1.0"

_HOMES = {
    "AdversarialRestorer": "neural",
    "BaseRestorer": "restorers",
    "BilateralRestorer": "restorers",
    "BlockMatchingRestorer": "restorers",
    "Degradation": "degradations",
    "DeconvRestorer": "neural",
    "EnsembleRestorer": "meta",
    "MedianRestorer": "restorers",
    "NonLocalMeansRestorer": "restorers",
    "PlugAndPlayRestorer": "hybrid",
    "LeastSquaresRestorer": "restorers",
    "PretrainedDenoiser": "neural",
    "RestorerMixin": "restorers",
    "RichardsonLucyRestorer": "restorers",
    "SparseCodingRestorer": "restorers",
    "WaveletRestorer": "restorers",
    "TotalVariationRestorer": "restorers",
    "UnrolledRestorer": "neural",
    "VariationalRestorer": "neural",
    "WienerRestorer": "restorers",
}
_PACKAGES = (
    "benchmark",
    "cli",
    "datasets",
    "degradations",
    "estimation",
    "exceptions",
    "hybrid",
    "inspection",
    "meta",
    "metrics",
    "networks",
    "neural",
    "operators",
    "restorers",
    "solvers",
    "testing",
)

__all__ = [
    "AdversarialRestorer",
    "BaseRestorer",
    "BilateralRestorer",
    "BlockMatchingRestorer",
    "DeconvRestorer",
    "Degradation",
    "EnsembleRestorer",
    "LeastSquaresRestorer",
    "MedianRestorer",
    "NonLocalMeansRestorer",
    "PlugAndPlayRestorer",
    "PretrainedDenoiser",
    "RestorerMixin",
    "RichardsonLucyRestorer",
    "SparseCodingRestorer",
    "TotalVariationRestorer",
    "UnrolledRestorer",
    "VariationalRestorer",
    "WaveletRestorer",
    "WienerRestorer",
    "__version__",
]


def __getattr__(name):
    if name in _HOMES:
        return getattr(import_module(f"skdeconv.{_HOMES[name]}"), name)
    if name in _PACKAGES:
        return import_module(f"skdeconv.{name}")
    raise AttributeError(f"module 'skdeconv' has no attribute {name!r}")


def __dir__():
    return sorted([*__all__, *_PACKAGES])
