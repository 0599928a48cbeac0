"""Total variation: flat regions with sharp edges between them."""

import torch
from torch import Tensor

from skdeconv.operators import Blur, LinearOperator
from skdeconv.solvers._gradient import (
    gradient,
    gradient_power,
    length,
    shrinkage,
    subtract_adjoint,
)
from skdeconv.solvers._result import SolverResult
from skdeconv.solvers._total_variation_deblurring import deblur, fill
from skdeconv.solvers._total_variation_inversion import invert

# Iterations between looks at what has converged.
CHECK = 10


def total_variation(
    y: Tensor,
    operator: LinearOperator | None = None,
    *,
    alpha: float | Tensor,
    weight: Tensor | None = None,
    tol: float = 1e-3,
    max_iter: int = 500,
) -> SolverResult:
    r"""Minimise a squared misfit and the isotropic total variation.

    .. math:: \min_x \; \tfrac12 \|\sqrt w \, (A x - y)\|^2 + \alpha \sum_i |D x|_i

    with the differences :math:`D` between neighbouring pixels inside the image, or the
    scene, whose vectors have Euclidean length; no difference crosses a border.
    Channels are independent.

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
    tol : float, default=1e-3
        Denoising of an image ends when its duality gap is below this fraction of its
        objective, the others when primal and dual residuals are below this fraction of
        what they are residuals of.
    max_iter : int, default=500
        Most iterations.

    Returns
    -------
    result : SolverResult
        Restored images, of the shape of `y`, or of the operator's domain for operators
        other than :class:`~skdeconv.operators.Blur`.

    Notes
    -----
    Denoising without weights is solved on the dual by accelerated projected gradients
    [1]_. A blur with boundary ``"extended"`` or ``"periodic"``, and denoising with
    weights, is split by the alternating direction method of multipliers into Fourier
    divisions and pointwise steps, of which those on data know only the frame [2]_. For
    any other operator there is a primal-dual method [3]_, which applies the operator
    and its adjoint once per iteration.

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
    alpha = torch.as_tensor(alpha, dtype=y.dtype, device=y.device)
    alpha = alpha.expand(y.shape[:2])
    options = {"tol": tol, "max_iter": max_iter}
    if operator is None and weight is None:
        return denoise(y, alpha, **options)
    if weight is not None:
        weight = weight.to(y).expand_as(y)
        y = fill(y, weight)
    if operator is None or (
        isinstance(operator, Blur) and operator.boundary != "reflect"
    ):
        return deblur(y, operator, alpha, weight, **options)
    return invert(y, operator, alpha, weight, **options)


def denoise(y: Tensor, alpha: Tensor, *, tol: float, max_iter: int) -> SolverResult:
    r"""Minimise :math:`\tfrac12 \|x - y\|^2 + \alpha \sum_i |D x|_i`.

    The dual is :math:`\min_p \|y - D^T p\|^2` with vectors :math:`|p_i| \le \alpha`,
    and :math:`x = y - D^T p`; the gap between both is :math:`\sum_i \alpha |D x|_i -
    p_i \cdot (D x)_i`.

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
    power = gradient_power(shape)
    answer = y.clone()
    converged = torch.zeros(y.shape[:2], dtype=torch.bool, device=y.device)
    if power == 0:
        return SolverResult(answer, 0, ~converged)
    # Images and channels that go on, all along one axis.
    todo = torch.arange(converged.numel(), device=y.device)
    y, radius = y.flatten(0, 1)[None], alpha.flatten()[each]
    answer, converged = answer.flatten(0, 1), converged.flatten()
    old = y.new_zeros((ndim, *y.shape))
    p, q, g = (torch.zeros_like(old) for _ in range(3))
    x, factor = torch.empty_like(y), torch.empty_like(y)
    n_iter = 0
    while n_iter < max_iter and len(todo):
        gradient(subtract_adjoint(x.copy_(y), q), ndim, out=g)
        q.add_(g, alpha=1 / power)
        shrinkage(q, radius, out=factor)
        torch.mul(q, factor, out=old)
        torch.lerp(p, old, 1 + n_iter / (n_iter + 4), out=q)
        p, old = old, p
        n_iter += 1
        if n_iter % CHECK and n_iter < max_iter:
            continue
        gradient(subtract_adjoint(x.copy_(y), p), ndim, out=g)
        variation = radius * length(g)
        gap = (variation - (p * g).sum(0)).sum(pixels)[0]
        objective = (variation + (x - y).square() / 2).sum(pixels)[0]
        done = gap <= tol * objective
        answer[todo], converged[todo] = x[0], done
        if done.any():
            keep = ~done
            todo, radius = todo[keep], radius[keep]
            y, x, factor = y[:, keep], x[:, keep], factor[:, keep]
            p, q, old, g = (v[:, :, keep] for v in (p, q, old, g))
    batch = alpha.shape
    return SolverResult(answer.unflatten(0, batch), n_iter, converged.reshape(batch))
