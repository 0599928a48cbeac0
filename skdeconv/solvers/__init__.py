"""Pure functions of tensors and operators that restore images."""

from skdeconv.solvers._least_squares import least_squares
from skdeconv.solvers._result import SolverResult
from skdeconv.solvers._richardson_lucy import richardson_lucy
from skdeconv.solvers._sparse_coding import sparse_denoise
from skdeconv.solvers._sparse_deconvolution import sparse_deconvolve
from skdeconv.solvers._total_variation import total_variation
from skdeconv.solvers._wiener import wiener

__all__ = [
    "SolverResult",
    "least_squares",
    "richardson_lucy",
    "sparse_deconvolve",
    "sparse_denoise",
    "total_variation",
    "wiener",
]
