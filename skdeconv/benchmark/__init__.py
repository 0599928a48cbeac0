"""Deep against classical restoration, on equal terms."""

from skdeconv.benchmark._compare import compare
from skdeconv.benchmark._comparison import Comparison
from skdeconv.benchmark._default import (
    default_benchmark,
    default_degradations,
    default_restorers,
    default_training_images,
)

__all__ = [
    "Comparison",
    "compare",
    "default_benchmark",
    "default_degradations",
    "default_restorers",
    "default_training_images",
]
