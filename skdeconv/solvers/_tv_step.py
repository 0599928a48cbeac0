"""The step of an image under a total variation penalty."""

import torch
from torch import Tensor

# Gradients below this part of the mean count as noise: there the penalty is quadratic.
ROUND = 1e-2


def tv_step(
    x: Tensor, counts: Tensor, flux: Tensor | None, tv_weight: float, mean: Tensor
) -> Tensor:
    r"""Lower ``<flux, x> - <counts, log x> + tv_weight * TV(x)``.

    The penalty is bounded by a quadratic form in the differences between neighbours
    that touches it at `x`, and that by a sum over pixels; the bound's minimiser is the
    positive root of one quadratic equation per pixel.

    Parameters
    ----------
    x, counts : Tensor of shape (batch, channels, *spatial)
        Where the bound touches, and the counts assigned to each pixel.
    flux : Tensor, or None for 1
        What is seen of each pixel.
    tv_weight : float
        Weight of the penalty.
    mean : Tensor of shape (batch, channels, 1, ...)
        Scale of the image.

    Returns
    -------
    x : Tensor of shape (batch, channels, *spatial)
        Non-negative.
    """
    tiny = torch.finfo(x.dtype).tiny
    scale = mean.clamp_min(tiny)
    u = x / scale
    near, pull = _neighbours(u)
    # All divided by 1 + tv_weight, so that no weight is too large.
    share = tv_weight / (1 + tv_weight)
    quadratic = near.mul_(2 * share)
    linear = pull.mul_(-share).add_(1 - share if flux is None else flux * (1 - share))
    constant = (counts / scale).mul_(1 - share)
    root = (linear.square() + 4 * quadratic * constant).sqrt_()
    # Each branch where it does not cancel.
    up = 2 * constant / (root + linear).clamp_min_(tiny)
    down = (root - linear) / (2 * quadratic).clamp_min_(tiny)
    return torch.where(linear > 0, up, down).mul_(scale)


def _neighbours(u):
    """Sum over the neighbours j of each i of w_ij, and of w_ij (u_i + u_j)."""
    axes = [axis for axis in range(2, u.ndim) if u.shape[axis] > 1]
    steepness = torch.full_like(u, ROUND**2)
    for axis in axes:
        difference = u.diff(dim=axis).square_()
        steepness.narrow(axis, 0, u.shape[axis] - 1).add_(difference)
    weight = steepness.rsqrt_()
    near, pull = torch.zeros_like(u), torch.zeros_like(u)
    for axis in axes:
        n = u.shape[axis] - 1
        w = weight.narrow(axis, 0, n)
        both = (u.narrow(axis, 0, n) + u.narrow(axis, 1, n)).mul_(w)
        for start in (0, 1):
            near.narrow(axis, start, n).add_(w)
            pull.narrow(axis, start, n).add_(both)
    return near, pull
