"""Differences between neighbouring pixels, and lengths of their vectors."""

from math import cos, pi

import torch
from torch import Tensor


def differences(x: Tensor, ndim: int, out: Tensor | None = None) -> Tensor:
    """Subtract every pixel from the next one along every axis.

    Parameters
    ----------
    x : Tensor of shape (batch, channels, *spatial)
        Images.
    ndim : int
        Number of spatial axes.
    out : Tensor of shape (ndim, batch, channels, *spatial) or None, default=None
        Where to write; it must be zero on each axis's far edge.

    Returns
    -------
    g : Tensor of shape (ndim, batch, channels, *spatial)
        Differences, zero on each axis's far edge.
    """
    if out is None:
        out = x.new_zeros((ndim, *x.shape))
    for g, axis in zip(out, range(2, 2 + ndim), strict=True):
        n = x.shape[axis] - 1
        torch.sub(x.narrow(axis, 1, n), x.narrow(axis, 0, n), out=g.narrow(axis, 0, n))
    return out


def subtract_adjoint(x: Tensor, p: Tensor) -> Tensor:
    """Subtract the adjoint of :func:`differences`, in place.

    Parameters
    ----------
    x : Tensor of shape (batch, channels, *spatial)
        What to subtract from; it is overwritten.
    p : Tensor of shape (ndim, batch, channels, *spatial)
        Vectors, zero on each axis's far edge.

    Returns
    -------
    x : Tensor of shape (batch, channels, *spatial)
        The same tensor.
    """
    for component, axis in zip(p, range(2, 2 + len(p)), strict=True):
        n = x.shape[axis] - 1
        x += component
        x.narrow(axis, 1, n).sub_(component.narrow(axis, 0, n))
    return x


def differences_power(shape: tuple[int, ...]) -> float:
    """Square of the norm of :func:`differences` on images of a spatial shape."""
    return sum(2 + 2 * cos(pi / n) for n in shape if n > 1)


def shrinkage(p: Tensor, radius: Tensor | float, out: Tensor | None = None) -> Tensor:
    """Factors that bring vectors into balls around zero.

    Parameters
    ----------
    p : Tensor of shape (ndim, *shape)
        Vectors.
    radius : float or Tensor broadcastable to shape
        Of the balls, not negative.
    out : Tensor of shape (*shape) or None, default=None
        Where to write.

    Returns
    -------
    factors : Tensor of shape (*shape)
        One where a vector is short enough, else its radius over its length.
    """
    tiny = torch.finfo(p.dtype).tiny
    square = _square(p, out)
    return square.clamp_min_(tiny).rsqrt_().mul_(radius).clamp_max_(1)


def length(p: Tensor) -> Tensor:
    """Euclidean length of vectors along the first axis."""
    return _square(p).sqrt_()


def _square(p, out=None):
    square = torch.mul(p[0], p[0], out=out)  # far faster than torch's own norm
    for component in p[1:]:
        square.addcmul_(component, component)
    return square
