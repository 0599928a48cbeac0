"""Measures of restoration quality, and scorers for model selection."""

from skdeconv.metrics._psnr import psnr
from skdeconv.metrics._scorers import (
    make_psnr_scorer,
    make_ssim_scorer,
    psnr_scorer,
    ssim_scorer,
)
from skdeconv.metrics._ssim import ssim, structural_similarity

__all__ = [
    "make_psnr_scorer",
    "make_ssim_scorer",
    "psnr",
    "psnr_scorer",
    "ssim",
    "ssim_scorer",
    "structural_similarity",
]
