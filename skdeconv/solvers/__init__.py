"""Pure functions of tensors and operators that restore images."""

from skdeconv.solvers._anscombe import anscombe, inverse_anscombe
from skdeconv.solvers._bilateral import bilateral_filter
from skdeconv.solvers._block_deconvolution import block_deconvolve
from skdeconv.solvers._collaborative import collaborative_filter
from skdeconv.solvers._data_steps import data_step
from skdeconv.solvers._least_squares import least_squares
from skdeconv.solvers._least_squares_stopping import least_squares_of_least_risk
from skdeconv.solvers._median import median_filter
from skdeconv.solvers._nonlocal_means import nonlocal_means
from skdeconv.solvers._plug_and_play import plug_and_play
from skdeconv.solvers._result import SolverResult
from skdeconv.solvers._richardson_lucy import richardson_lucy
from skdeconv.solvers._sparse_coding import sparse_denoise
from skdeconv.solvers._sparse_deconvolution import sparse_deconvolve
from skdeconv.solvers._sparse_inversion import sparse_invert
from skdeconv.solvers._stopping import Stopped, richardson_lucy_of_least_risk
from skdeconv.solvers._total_variation import total_variation
from skdeconv.solvers._wavelet import wavelet_denoise
from skdeconv.solvers._wiener import wiener

__all__ = [
    "SolverResult",
    "Stopped",
    "anscombe",
    "bilateral_filter",
    "block_deconvolve",
    "collaborative_filter",
    "data_step",
    "inverse_anscombe",
    "least_squares",
    "least_squares_of_least_risk",
    "median_filter",
    "nonlocal_means",
    "plug_and_play",
    "richardson_lucy",
    "richardson_lucy_of_least_risk",
    "sparse_deconvolve",
    "sparse_denoise",
    "sparse_invert",
    "total_variation",
    "wavelet_denoise",
    "wiener",
]
