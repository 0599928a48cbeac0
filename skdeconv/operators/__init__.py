"""Linear operators with adjoints, and point spread functions."""

from skdeconv.operators._base import Composition, LinearOperator
from skdeconv.operators._blur import Blur
from skdeconv.operators._downsample import Downsample
from skdeconv.operators._gradient import Gradient
from skdeconv.operators._motion import motion_psf
from skdeconv.operators._pointwise import Identity, Mask
from skdeconv.operators._psf import airy_psf, disk_psf, gaussian_psf

__all__ = [
    "Blur",
    "Composition",
    "Downsample",
    "Gradient",
    "Identity",
    "LinearOperator",
    "Mask",
    "airy_psf",
    "disk_psf",
    "gaussian_psf",
    "motion_psf",
]
