"""Preconditioned conjugate gradients, many problems at a time."""

from collections.abc import Callable

import torch
from torch import Tensor


def dot(a: Tensor, b: Tensor) -> Tensor:
    """Inner product per image and channel, of shape (batch, channels, 1, ...)."""
    product = torch.einsum("bcn,bcn->bc", a.flatten(2), b.flatten(2))
    return product.reshape(*a.shape[:2], *(1,) * (a.ndim - 2))


def conjugate_gradient(
    apply,
    precondition,
    x,
    residual,
    objective,
    *,
    tol: float,
    max_iter: int,
    look: Callable[[Tensor], Tensor] | None = None,
) -> tuple[Tensor, int, Tensor]:
    """Minimise a quadratic ``<x, A x> - 2 <b, x> + const`` per image and channel.

    Parameters
    ----------
    apply, precondition : callable
        The operator ``A`` and roughly its inverse, both positive (semi-)definite.
    x, residual : Tensor of shape (batch, channels, *spatial)
        Start, and ``b - A x`` there.
    objective : Tensor of shape (batch, channels, 1, ...)
        Value at the start.
    tol : float
        An image stops, and is left as it is, when an iteration lowers its objective by
        no more than this fraction.
    max_iter : int
        Most iterations.
    look : callable or None, default=None
        Called with x after each iteration; tells which images, of shape (batch,), are
        to go on.

    Returns
    -------
    x : Tensor of shape (batch, channels, *spatial)
    n_iter : int
    converged : Tensor of bool of shape (batch, channels)
    """
    step_direction = precondition(residual)
    slope = dot(residual, step_direction)
    # Below it, residuals are rounding; steps along them, and their gradients, are wild.
    least = torch.finfo(slope.dtype).eps ** 2 * slope.detach()
    active = slope > 0
    n_iter = 0
    while n_iter < max_iter and active.any():
        n_iter += 1
        image = apply(step_direction)
        curvature = dot(step_direction, image)
        active = active & (curvature > 0)
        # Never 0 / 0, through which no gradient would come back.
        step = torch.where(active, slope / torch.where(active, curvature, 1), 0)
        x = x + step * step_direction
        residual = residual - step * image
        objective = objective - step * slope
        active = active & (step * slope > tol * objective)
        downhill = precondition(residual)
        previous, slope = slope, dot(residual, downhill)
        active = active & (slope > least)
        if look is not None:
            active = active & look(x).view(-1, *(1,) * (x.ndim - 1))
        turn = torch.where(active, slope / torch.where(active, previous, 1), 0)
        step_direction = downhill + turn * step_direction
    return x, n_iter, ~active.reshape(active.shape[:2])
