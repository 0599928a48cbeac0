"""Differences between neighbours."""

from math import sqrt

import torch
from torch import Tensor

from skdeconv.operators._base import LinearOperator
from skdeconv.operators._fourier import spatial_axes


class Gradient(LinearOperator):
    r"""Forward differences along every axis.

    .. math:: (D x)_{a, i} = x_{i + e_a} - x_i,

    and 0 at the last pixel of an axis, as for a mirrored image. An input of spatial
    shape ``s`` has an output of shape ``(ndim, *s)``: the axis of the differences comes
    first.

    Parameters
    ----------
    ndim : {1, 2, 3}, default=2
        Number of spatial axes.

    Examples
    --------
    >>> import torch
    >>> from skdeconv.operators import Gradient
    >>> Gradient(1)(torch.tensor([[[1.0, 3.0, 2.0]]]))
    tensor([[[[ 2., -1.,  0.]]]])
    """

    def __init__(self, ndim: int = 2):
        if ndim not in (1, 2, 3):
            raise ValueError(f"ndim must be 1, 2 or 3, got {ndim!r}.")
        self.ndim = ndim

    def __repr__(self):
        return f"Gradient(ndim={self.ndim})"

    def __call__(self, x: Tensor) -> Tensor:
        y = x.new_zeros(
            *x.shape[: -self.ndim], *self.output_shape(x.shape[-self.ndim :])
        )
        for component, axis in zip(
            y.unbind(-self.ndim - 1), spatial_axes(self.ndim), strict=True
        ):
            n = x.shape[axis] - 1
            torch.sub(
                x.narrow(axis, 1, n),
                x.narrow(axis, 0, n),
                out=component.narrow(axis, 0, n),
            )
        return y

    def adjoint(self, y: Tensor) -> Tensor:
        x = torch.zeros_like(y.select(-self.ndim - 1, 0))
        for component, axis in zip(
            y.unbind(-self.ndim - 1), spatial_axes(self.ndim), strict=True
        ):
            n = x.shape[axis] - 1
            x.narrow(axis, 1, n).add_(component.narrow(axis, 0, n))
            x.narrow(axis, 0, n).sub_(component.narrow(axis, 0, n))
        return x

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return (self.ndim, *input_shape)

    def input_shape(self, output_shape: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(output_shape[1:])

    def norm(self, input_shape: tuple[int, ...]) -> float:
        return 2 * sqrt(sum(n > 1 for n in input_shape))
