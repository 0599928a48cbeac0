"""Pure functions of tensors and operators that restore images."""

from skdeconv.solvers._collaborative import collaborative_filter
from skdeconv.solvers._result import SolverResult
from skdeconv.solvers._richardson_lucy import richardson_lucy
from skdeconv.solvers._sparse_coding import sparse_denoise
from skdeconv.solvers._sparse_deconvolution import sparse_deconvolve
from skdeconv.solvers._wiener import wiener

__all__ = [
    "SolverResult",
    "collaborative_filter",
    "richardson_lucy",
    "sparse_deconvolve",
    "sparse_denoise",
    "wiener",
]
