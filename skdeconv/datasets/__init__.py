"""Images to train and measure with."""

from skdeconv.datasets._dead_leaves import make_dead_leaves
from skdeconv.datasets._photographs import load_photographs

__all__ = ["load_photographs", "make_dead_leaves"]
