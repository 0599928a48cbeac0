"""Total variation under any linear operator, by primal and dual steps."""

import torch
from torch import Tensor

from skdeconv.operators import LinearOperator
from skdeconv.operators._filling import fill_in
from skdeconv.operators._fourier import spatial_axes
from skdeconv.solvers._differences import (
    differences,
    differences_power,
    length,
    shrinkage,
    subtract_adjoint,
)
from skdeconv.solvers._result import SolverResult

# Iterations between looks at what has converged.
CHECK = 10
# Decides the speed only: length of primal steps against those of dual ones, times alpha
# over the contrast.
BALANCE = 0.15


def spread(y: Tensor, operator: LinearOperator, weight: Tensor) -> Tensor:
    """Guess the image behind data.

    Each pixel is the mean of the data that it appears in; where it appears in none, it
    is filled from its neighbours.

    Parameters
    ----------
    y : Tensor of shape (batch, channels, *spatial)
        Data.
    operator : LinearOperator
        What made them.
    weight : Tensor of the shape of y
        Weights of the data, not negative.

    Returns
    -------
    x : Tensor of shape (batch, channels, *operator.input_shape(spatial))
        Images.
    """
    axes, tiny = spatial_axes(operator.ndim), torch.finfo(y.dtype).tiny
    response = operator(torch.ones_like(operator.adjoint(y)))
    share = operator.adjoint(weight * response)
    seen = share > 1e-2 * share.amax(axes, keepdim=True)
    return fill_in(operator.adjoint(weight * y) / share.clamp_min(tiny), seen)


def invert(
    y: Tensor,
    operator: LinearOperator,
    alpha: Tensor,
    weight: Tensor | None,
    *,
    tol: float,
    max_iter: int,
    start: tuple[Tensor, ...] = (),
) -> SolverResult:
    r"""Minimise the misfit and the total variation, given an operator and its adjoint.

    A saddle point in :math:`x`, the weighted misfit :math:`r` and vectors
    :math:`|p_i| \le \alpha` is approached by turns,

    .. math:: \min_x \max_{r, p} \; \langle r, A x - y \rangle
        - \tfrac12 \|r / \sqrt w\|^2 + \langle p, D x \rangle .

    Parameters
    ----------
    y : Tensor of shape (batch, channels, *spatial)
        Data.
    operator : LinearOperator
        What made them.
    alpha : Tensor of shape (batch, channels)
        Weights of the penalty, in the units of `y`.
    weight : Tensor of the shape of y, or None
        Weights of the data.
    tol : float
        An image is done when what still pulls at it is below this fraction of `p`, in
        holes too, and the change of `r` and `p` below this fraction of both.
    max_iter : int
        Most iterations.
    start : tuple of Tensor, default=()
        State of the answer to the same data at another `alpha`.

    Returns
    -------
    result : SolverResult
        Images in the operator's domain.
    """
    ndim = operator.ndim
    axes, each = spatial_axes(ndim), (..., *(None,) * ndim)
    tiny = torch.finfo(y.dtype).tiny
    weight = torch.ones_like(y) if weight is None else weight
    x = spread(y, operator, weight)
    shape = tuple(x.shape[2:])
    deviation = x.flatten(2).std(-1, correction=0)
    step = (BALANCE * deviation / alpha.clamp_min(tiny)).clamp(0.1, 100.0)[each]
    misfit_step = 0.5 / (step * operator.norm(shape) ** 2)
    vectors_step = 0.5 / (step * max(differences_power(shape), 1e-3))
    alpha = alpha[each]

    if start:
        x, r, p = start
        p = alpha * p.movedim(1, 0)
    else:
        r, p = torch.zeros_like(y), x.new_zeros((ndim, *x.shape))
    ahead = answer = x
    converged = torch.zeros(y.shape[:2], dtype=torch.bool, device=y.device)
    n_iter = 0
    while n_iter < max_iter and not converged.all():
        n_iter += 1
        before = x, r, p
        r = r + misfit_step * (operator(ahead) - y)
        r = r.mul_(weight).div_(weight + misfit_step)
        p = p + vectors_step * differences(ahead, ndim)
        p *= shrinkage(p, alpha)
        pull = subtract_adjoint(-operator.adjoint(r), p)
        x = x + step * pull
        ahead = 2 * x - before[0]

        if (tol == 0 or n_iter % CHECK) and n_iter < max_iter:
            continue
        misfit, vectors = _norm(r, axes), _norm(length(p), axes)
        dual = torch.hypot(misfit, vectors)
        turn = torch.hypot(
            _norm(r - before[1], axes), _norm(length(p - before[2]), axes)
        )
        answer = torch.where(converged[each], answer, x)
        still = _norm(pull, axes) <= tol * torch.where(vectors > 0, vectors, misfit)
        converged = converged | (still & (turn <= tol * dual))
    state = x, r, (p / alpha.clamp_min(tiny)).movedim(0, 1)
    return SolverResult(answer, n_iter, converged, state)


def _norm(v, axes):
    return torch.linalg.vector_norm(v, dim=axes)
