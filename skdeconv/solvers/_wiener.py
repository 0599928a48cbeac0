"""Wiener filter, regularised least squares under a blur."""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from skdeconv.operators import Blur
from skdeconv.operators._fourier import (
    fast_shape,
    fft,
    ifft,
    laplacian_power,
    radial_frequency,
    spatial_axes,
    transfer_function,
)
from skdeconv.operators._grids import bridge, distance, fold, frame, mirror
from skdeconv.solvers._conjugate_gradient import conjugate_gradient, dot
from skdeconv.solvers._result import SolverResult

REGULARIZERS = ("laplacian", "identity")

# Pixels between opposite ends of a scene, which the periodic penalty would tie.
GAP = 8


def wiener(
    y: Tensor,
    blur: Blur | None,
    *,
    alpha: float | Tensor,
    regularizer: str | Callable[[Tensor], Tensor] = "laplacian",
    weight: Tensor | None = None,
    tol: float = 1e-4,
    max_iter: int = 50,
) -> SolverResult:
    r"""Minimise a squared misfit and a quadratic penalty.

    .. math:: \min_x \; \|H x - y\|^2 + \alpha \|L x\|^2

    Linear in `y`; a constant image stays as it is.

    Parameters
    ----------
    y : Tensor of shape (batch, channels, *spatial)
        Blurred images.
    blur : Blur or None
        The blur to undo; its boundary is that of the model. ``None`` denoises, with
        mirrored borders.
    alpha : float or Tensor of shape (batch or 1, channels or 1, 1, ...)
        Positive weight of the penalty, without unit. Larger is smoother.
    regularizer : {"laplacian", "identity"} or callable, default="laplacian"
        Whether :math:`L x` is the difference between the sum of the ``2 d`` nearest
        neighbours and ``2 d`` times the pixel, or the distance from the mean of `y` per
        image and channel. A function gives the spectrum of :math:`L^T L` for a tensor
        of frequencies in cycles per pixel, broadcastable to
        ``(batch, channels, *spectrum)``.
    weight : Tensor of the shape of y, or None, default=None
        Weights of the pixels in the misfit, in [0, 1]; those of weight 0 have no
        influence. Only for ``"extended"`` and for denoising.
    tol : float, default=1e-4
        Where there is no closed form, an image stops when an iteration lowers its
        objective by no more than this fraction.
    max_iter : int, default=50
        Most iterations.

    Returns
    -------
    result : SolverResult
        Restored images, of the shape of `y`.

    Notes
    -----
    ``"periodic"`` is closed form: one real FFT and its inverse. So is ``"reflect"``, on
    the mirrored image, for a PSF that is symmetric along every axis; for others the
    mirrored solution with :math:`|\hat k|^2` averaged over reflections preconditions
    conjugate gradients, which is slow where the PSF is far from symmetric.

    ``"extended"`` completes the image instead of extending the unknown: on a periodic
    grid that holds the scene and a few pixels more, the least objective for given
    blurred pixels :math:`c` is :math:`c^T W c`, with

    .. math:: \hat W = \frac{\alpha |\hat L|^2}{|\hat k|^2 + \alpha |\hat L|^2}

    so that only the blurred pixels beyond the frame, and those of weight less than 1,
    are unknown; the latter are drawn to the data with the force :math:`w / (1 - w)`,
    which comes to the weight `w` of the misfit. Conjugate gradients
    find them at two FFT pairs an iteration and the closed form does the rest; the
    minimiser is that of the masked problem [1]_, with the penalty periodic on the grid.
    The preconditioner is the inverse of :math:`W`, bounded at waves longer than the PSF
    and tapered towards the frame, whose pixels pin the unknown ones beside them.

    References
    ----------
    .. [1] M. S. C. Almeida and M. A. T. Figueiredo, "Deconvolving images with unknown
       boundaries using the alternating direction method of multipliers", IEEE
       Transactions on Image Processing 22, 2013.
       https://doi.org/10.1109/TIP.2013.2258354
    """
    if not callable(regularizer) and regularizer not in REGULARIZERS:
        raise ValueError(
            f"regularizer must be one of {REGULARIZERS}, got {regularizer!r}."
        )
    if blur is None:
        boundary = "reflect" if weight is None else "extended"
        blur = Blur.unchecked(np.ones((1,) * (y.ndim - 2)), boundary)
    if weight is not None and blur.boundary != "extended":
        raise ValueError(
            f"weight needs the boundary 'extended', got {blur.boundary!r}."
        )
    alpha = torch.as_tensor(alpha, dtype=y.dtype, device=y.device)
    mean = y.mean(spatial_axes(blur.ndim), keepdim=True)
    minimise = {"periodic": _periodic, "reflect": _reflect, "extended": _extended}
    options = {"tol": tol, "max_iter": max_iter}
    if weight is not None:
        known = weight > 0
        mean = torch.where(known, y, 0).sum(spatial_axes(blur.ndim), keepdim=True)
        mean /= known.sum(spatial_axes(blur.ndim), keepdim=True).clamp_min(1)
        y, options["weight"] = torch.where(known, y, mean), weight
    # What is constant has no rounding errors to be solved for.
    low, high = (f(spatial_axes(blur.ndim), keepdim=True) for f in (y.amin, y.amax))
    mean = torch.where(low == high, low, mean)
    x, n_iter, converged = minimise[blur.boundary](
        y - mean, blur, alpha, regularizer, **options
    )
    return SolverResult(x.add_(mean), n_iter, converged)


def penalty_spectrum(grid, alpha, regularizer, like):
    """Spectrum of ``alpha L^T L``, shaped for :func:`fft` on the grid."""
    if callable(regularizer):
        frequency = radial_frequency(grid, device=like.device, dtype=like.dtype)
        return alpha * regularizer(frequency)
    if regularizer == "identity":
        return alpha
    return alpha * laplacian_power(grid, device=like.device, dtype=like.dtype)


def _periodic(y, blur, alpha, regularizer, **_):
    grid = tuple(y.shape[2:])
    transfer = transfer_function(blur.psf, grid, device=y.device, dtype=y.dtype)
    power = transfer.abs().square() + penalty_spectrum(grid, alpha, regularizer, y)
    x = ifft(fft(y, grid).mul_(transfer.conj() / power), grid)
    return x, 0, torch.ones(y.shape[:2], dtype=torch.bool, device=y.device)


def _reflect(y, blur, alpha, regularizer, *, tol, max_iter):
    shape = tuple(y.shape[2:])
    grid = tuple(2 * n for n in shape)
    seen, margins = frame(shape), blur.margins
    transfer = transfer_function(blur.psf, grid, device=y.device, dtype=y.dtype)
    penalty = penalty_spectrum(grid, alpha, regularizer, y)

    def filtered(x, spectrum):
        return ifft(fft(mirror(x, grid, margins), grid) * spectrum, grid)[seen]

    if _is_even(blur.psf):  # cosine waves stay as they are: no iteration is needed
        x = filtered(y, transfer.conj() / (transfer.abs().square() + penalty))
        return x, 0, torch.ones(y.shape[:2], dtype=torch.bool, device=y.device)

    autocorrelation = ifft(transfer.abs().square().to(transfer.dtype), grid)
    for axis in spatial_axes(len(grid)):
        reflected = autocorrelation.flip(axis).roll(1, axis)
        autocorrelation = (autocorrelation + reflected) / 2
    power = fft(autocorrelation, grid).real.clamp_min(0) + penalty

    def adjoint(y):
        return fold(ifft(fft(y, grid) * transfer.conj(), grid), shape, margins)

    def normal(x):
        return adjoint(filtered(x, transfer)) + filtered(x, penalty)

    def precondition(x):
        return filtered(x, 1 / power)

    b = adjoint(y)
    x = precondition(b)
    residual = b - normal(x)
    objective = dot(y, y) - dot(x, b + residual)
    return conjugate_gradient(
        normal, precondition, x, residual, objective, tol=tol, max_iter=max_iter
    )


def _is_even(psf):
    """Whether a PSF is its own mirror image along every axis about its centre."""
    return all(n % 2 for n in psf.shape) and all(
        np.allclose(psf, np.flip(psf, axis), rtol=1e-12, atol=1e-15)
        for axis in range(psf.ndim)
    )


def _extended(y, blur, alpha, regularizer, *, tol, max_iter, weight=None):
    shape = tuple(y.shape[2:])
    scene = blur.input_shape(shape)
    grid = fast_shape(tuple(n + GAP for n in scene))
    transfer = transfer_function(blur.psf, grid, device=y.device, dtype=y.dtype)
    penalty = penalty_spectrum(grid, alpha, regularizer, y)
    power = transfer.abs().square() + penalty
    ratio = penalty / power

    size = max(blur.psf.shape)
    away = distance(shape, grid, y)
    pull = 0.0
    if weight is not None:
        away = away.expand(*y.shape[:2], *grid).clone()
        away[frame(shape)] = (weight < 1).to(y)
        pull = torch.zeros_like(away)
        pull[frame(shape)] = torch.where(weight < 1, weight / (1 - weight), 0)
    unknown = away > 0
    taper = (away / (size / 2)).clamp_max(1)
    bound = torch.full((1,) * len(grid), 1 / size, dtype=y.dtype, device=y.device)
    bound = (
        alpha * regularizer(bound)
        if callable(regularizer)
        else alpha * (2 * math.pi / size) ** 4
    )
    rough = 1 / (ratio + bound)
    floor = rough.amin(spatial_axes(len(grid)), keepdim=True)

    def misfit(c):
        return ifft(fft(c, grid) * ratio, grid)

    def restrict(c):
        return (misfit(c) + pull * c) * unknown

    calm = (1 + pull * floor) ** -0.5

    def precondition(c):
        c = c * calm
        smooth = ifft(fft(c * taper, grid) * (rough - floor), grid) * taper
        return (smooth + floor * c) * calm

    completed = bridge(y, grid)
    gradient = misfit(completed)
    completed, n_iter, converged = conjugate_gradient(
        restrict,
        precondition,
        completed,
        -gradient * unknown,
        dot(completed, gradient),
        tol=tol,
        max_iter=max_iter,
    )
    x = ifft(fft(completed, grid) * (transfer.conj() / power), grid)
    return x[frame(shape)], n_iter, converged
