"""Operators that look at one pixel at a time."""

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from skdeconv.operators._base import LinearOperator


class Identity(LinearOperator):
    """The operator that changes nothing.

    Parameters
    ----------
    ndim : {1, 2, 3}, default=2
        Number of spatial axes.

    Examples
    --------
    >>> import torch
    >>> from skdeconv.operators import Identity
    >>> x = torch.rand(1, 1, 8, 8)
    >>> torch.equal(Identity()(x), x)
    True
    """

    def __init__(self, ndim: int = 2):
        if ndim not in (1, 2, 3):
            raise ValueError(f"ndim must be 1, 2 or 3, got {ndim!r}.")
        self.ndim = ndim

    def __repr__(self):
        return f"Identity(ndim={self.ndim})"

    def __call__(self, x: Tensor) -> Tensor:
        return x

    def adjoint(self, y: Tensor) -> Tensor:
        return y

    def norm(self, input_shape: tuple[int, ...]) -> float:
        return 1.0


class Mask(LinearOperator):
    """Pixels that are seen, and others that are not: dead, saturated or missing.

    Parameters
    ----------
    mask : array-like of one to three axes
        Bool, or weights in [0, 1], for every pixel; 0 hides it. All images and channels
        share it.

    Attributes
    ----------
    mask : ndarray
        The weights.
    ndim : int
        Number of spatial axes.

    Raises
    ------
    ValueError
        If `mask` has other values, hides everything, or does not fit an image.

    Examples
    --------
    >>> import numpy as np, torch
    >>> from skdeconv.operators import Mask
    >>> seen = np.ones((4, 4), dtype=bool)
    >>> seen[1, 2] = False
    >>> int(Mask(seen)(torch.ones(1, 1, 4, 4)).sum())
    15
    """

    def __init__(self, mask: ArrayLike):
        weights = np.array(mask)
        if weights.ndim not in (1, 2, 3) or weights.dtype.kind not in "biuf":
            raise ValueError(
                "mask must be bool or numbers with 1 to 3 axes, got "
                f"{weights.dtype} of shape {weights.shape}."
            )
        if not (np.all((weights >= 0) & (weights <= 1)) and np.any(weights)):
            raise ValueError("mask must lie in [0, 1] and show at least one pixel.")
        self.mask = weights

    @property
    def ndim(self) -> int:
        return self.mask.ndim

    def __repr__(self):
        return f"Mask(<{'x'.join(map(str, self.mask.shape))}>)"

    def __call__(self, x: Tensor) -> Tensor:
        if tuple(x.shape[-self.ndim :]) != self.mask.shape:
            raise ValueError(
                f"images must have the shape {self.mask.shape} of the mask, got "
                f"{tuple(x.shape[-self.ndim :])}."
            )
        return x * torch.from_numpy(self.mask).to(x)

    def adjoint(self, y: Tensor) -> Tensor:
        return self(y)

    def norm(self, input_shape: tuple[int, ...]) -> float:
        return float(self.mask.max())


class Scale(LinearOperator):
    """Multiply by a number.

    Parameters
    ----------
    factor : float
        The number.
    ndim : int, default=2
        Number of spatial axes.
    """

    def __init__(self, factor: float, ndim: int = 2):
        self.factor = factor
        self.ndim = ndim

    def __call__(self, x: Tensor) -> Tensor:
        return self.factor * x

    def adjoint(self, y: Tensor) -> Tensor:
        return self.factor * y

    def norm(self, input_shape: tuple[int, ...]) -> float:
        return abs(self.factor)
