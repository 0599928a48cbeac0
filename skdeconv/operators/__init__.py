"""Linear operators with adjoints, and point spread functions."""

from skdeconv.operators._base import LinearOperator
from skdeconv.operators._blur import Blur
from skdeconv.operators._motion import motion_psf
from skdeconv.operators._psf import airy_psf, disk_psf, gaussian_psf

__all__ = [
    "Blur",
    "LinearOperator",
    "airy_psf",
    "disk_psf",
    "gaussian_psf",
    "motion_psf",
]
