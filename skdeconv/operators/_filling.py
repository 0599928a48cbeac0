"""What data show, and a first guess of missing pixels."""

import torch
from torch import Tensor

from skdeconv.operators._base import LinearOperator


def fill_in(x: Tensor, known: Tensor) -> Tensor:
    """Fill pixels from the rim of holes inwards, by the mean of known neighbours.

    Parameters
    ----------
    x : Tensor of shape (batch, channels, *spatial)
        Images.
    known : Tensor of bool of the shape of x
        Which pixels count; values of others have no influence.

    Returns
    -------
    filled : Tensor of the shape of x
        A channel of which nothing is known is 0.
    """
    x = torch.where(known, x, 0)
    known = known.to(x)
    while True:
        total, count = torch.zeros_like(x), torch.zeros_like(x)
        for axis in range(2, x.ndim):
            n = x.shape[axis] - 1
            for here, there in ((0, 1), (1, 0)):
                total.narrow(axis, here, n).add_(x.narrow(axis, there, n))
                count.narrow(axis, here, n).add_(known.narrow(axis, there, n))
        fresh = (known == 0) & (count > 0)
        if not fresh.any():
            return x
        x = torch.where(fresh, total / count.clamp_min(1), x)
        known = torch.where(fresh, 1.0, known)


def seen_by(operator: LinearOperator, x: Tensor) -> Tensor:
    """Tell data that the image has anything to do with; bool, of the shape of x."""
    scene = operator.adjoint(x[:1, :1])
    # Not a flat one, of which differences see nothing.
    generator = torch.Generator().manual_seed(0)
    scene = torch.rand(scene.shape, generator=generator).to(scene) + 0.5
    return (operator(scene) != 0).expand_as(x)
