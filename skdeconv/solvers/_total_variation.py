"""Total variation: flat regions with sharp edges between them."""

import numpy as np
import torch
from torch import Tensor

from skdeconv.operators import Blur, Identity, LinearOperator
from skdeconv.operators._filling import fill_in
from skdeconv.solvers._differences import (
    differences,
    differences_power,
    length,
    shrinkage,
    subtract_adjoint,
)
from skdeconv.solvers._result import SolverResult
from skdeconv.solvers._total_variation_deblurring import deblur
from skdeconv.solvers._total_variation_inversion import invert

# Iterations between looks at what has converged.
CHECK = 10


def total_variation(
    y: Tensor,
    operator: LinearOperator | None = None,
    *,
    alpha: float | Tensor,
    weight: Tensor | None = None,
    tol: float = 2e-3,
    max_iter: int = 500,
    start: tuple[Tensor, ...] = (),
) -> SolverResult:
    r"""Minimise a squared misfit and the isotropic total variation.

    .. math:: \min_x \; \tfrac12 \|\sqrt w \, (A x - y)\|^2 + \alpha \sum_i |(D x)_i|

    with the differences :math:`D` between neighbouring pixels along every axis, a
    vector in each pixel, of which the Euclidean length counts. No difference crosses a
    border, except for periodic blurs, where they go round. Channels are independent.

    Parameters
    ----------
    y : Tensor of shape (batch, channels, *spatial)
        Degraded images.
    operator : LinearOperator or None, default=None
        What degraded them; ``None`` only denoises.
    alpha : float or Tensor broadcastable to (batch, channels)
        Weight of the penalty, not negative, in the units of `y`; larger is smoother.
    weight : Tensor broadcastable to the shape of y, or None, default=None
        Weight of each pixel's misfit, not negative. Pixels of weight 0 are unknown.
    tol : float, default=2e-3
        Denoising of an image ends when its duality gap is below this fraction of its
        objective, the rest when primal and dual residuals are below this fraction of
        what they are residuals of.
    max_iter : int, default=500
        Most iterations.
    start : tuple of Tensor, default=()
        The `state` of an answer to the same data, or close ones, at another `alpha`.
        Denoising without weights needs none, and ignores it.

    Returns
    -------
    result : SolverResult
        Restored images in the operator's domain; that of a blur with boundary
        ``"extended"`` is larger than `y`.

    Notes
    -----
    Denoising without weights is solved on the dual by accelerated projected gradients
    [1]_. A blur with boundary ``"extended"`` or ``"periodic"``, and denoising with
    weights, is split by the alternating direction method of multipliers into Fourier
    divisions and pointwise steps [2]_. For other operators there is a primal-dual
    method [3]_, which applies the operator and its adjoint once per iteration.

    References
    ----------
    .. [1] A. Beck and M. Teboulle, "Fast gradient-based algorithms for constrained
       total variation image denoising and deblurring problems", IEEE Transactions on
       Image Processing 18(11), 2009. :doi:`10.1109/TIP.2009.2028250`
    .. [2] M. S. C. Almeida and M. A. T. Figueiredo, "Deconvolving images with unknown
       boundaries using the alternating direction method of multipliers", IEEE
       Transactions on Image Processing 22, 2013. :doi:`10.1109/TIP.2013.2258354`
    .. [3] A. Chambolle and T. Pock, "A first-order primal-dual algorithm for convex
       problems with applications to imaging", Journal of Mathematical Imaging and
       Vision 40, 2011. :doi:`10.1007/s10851-010-0251-1`
    """
    alpha = torch.as_tensor(alpha, dtype=y.dtype, device=y.device).expand(y.shape[:2])
    options = {"tol": tol, "max_iter": max_iter}
    plain = operator is None or isinstance(operator, Identity)
    if weight is None and plain:
        return denoise(y, alpha, **options)
    if weight is not None:
        weight = weight.to(y).expand_as(y)
        y = fill_in(y, weight > 0)
    if plain:
        operator = Blur.unchecked(np.ones((1,) * (y.ndim - 2)), "extended")
    if isinstance(operator, Blur) and operator.boundary != "reflect":
        return deblur(y, operator, alpha, weight, start=start, **options)
    return invert(y, operator, alpha, weight, start=start, **options)


def denoise(y: Tensor, alpha: Tensor, *, tol: float, max_iter: int) -> SolverResult:
    r"""Minimise :math:`\tfrac12 \|x - y\|^2 + \alpha \sum_i |(D x)_i|`.

    The dual is :math:`\min_p \|y - D^T p\|^2` with vectors :math:`|p_i| \le \alpha`,
    and :math:`x = y - D^T p`; the gap between both objectives is :math:`\sum_i \alpha
    |(D x)_i| - p_i \cdot (D x)_i`.

    Parameters
    ----------
    y : Tensor of shape (batch, channels, *spatial)
        Noisy images.
    alpha : Tensor of shape (batch, channels)
        Weights of the penalty.
    tol : float
        Largest gap, relative to the objective.
    max_iter : int
        Most iterations.

    Returns
    -------
    result : SolverResult
        Denoised images.
    """
    shape = tuple(y.shape[2:])
    ndim, each = len(shape), (..., *(None,) * len(shape))
    pixels = tuple(range(2, y.ndim))
    power = differences_power(shape)
    answer = y.clone()
    converged = torch.zeros(y.shape[:2], dtype=torch.bool, device=y.device)
    if power == 0:
        return SolverResult(answer, 0, ~converged)
    # Images and channels line up on one axis, from which they leave when done.
    answer, done = answer.flatten(0, 1), converged.flatten()
    y, radius = y.flatten(0, 1)[None], alpha.flatten()[each]
    todo = torch.arange(len(done), device=y.device)
    p, ahead, spare, slopes = y.new_zeros((4, ndim, *y.shape))
    x, factor = y.new_empty((2, *y.shape))
    n_iter = 0
    while n_iter < max_iter and len(todo):
        differences(subtract_adjoint(x.copy_(y), ahead), ndim, out=slopes)
        ahead.add_(slopes, alpha=1 / power)
        torch.mul(ahead, shrinkage(ahead, radius, out=factor), out=spare)
        torch.lerp(p, spare, 1 + n_iter / (n_iter + 4), out=ahead)
        p, spare = spare, p
        n_iter += 1
        if n_iter % CHECK and n_iter < max_iter:
            continue
        differences(subtract_adjoint(x.copy_(y), p), ndim, out=slopes)
        variation = radius * length(slopes)
        gap = (variation - (p * slopes).sum(0)).sum(pixels)[0]
        objective = (variation + (x - y).square() / 2).sum(pixels)[0]
        good = gap <= tol * objective
        answer[todo], done[todo] = x[0], good
        if good.any():
            go = ~good
            todo, radius = todo[go], radius[go]
            y, x, factor = y[:, go], x[:, go], factor[:, go]
            p, ahead, spare, slopes = (v[:, :, go] for v in (p, ahead, spare, slopes))
    images = converged.shape
    return SolverResult(answer.unflatten(0, images), n_iter, done.reshape(images))
