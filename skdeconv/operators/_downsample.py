"""Coarser pixels."""

from functools import lru_cache

import numpy as np
from torch import Tensor

from skdeconv.operators._base import LinearOperator
from skdeconv.operators._fourier import spatial_axes
from skdeconv.operators._grids import mirrored

KERNELS = ("bicubic", "area", "gaussian")


@lru_cache
def profile(kernel: str, factor: int) -> np.ndarray:
    """Weights along one axis of the pixels that make one coarser pixel.

    Their number is even where `factor` is, so that the middle is that of the coarser
    pixel.
    """
    reach = {"bicubic": 2.0, "area": 0.5, "gaussian": 2.0}[kernel]
    half = int(reach * factor + 0.5 * (factor % 2))
    offset = np.arange(-half, half + 1) if factor % 2 else np.arange(-half, half) + 0.5
    t = np.abs(offset) / factor
    if kernel == "bicubic":  # Keys' cubic with a = -1/2
        weights = np.where(
            t < 1,
            (1.5 * t - 2.5) * t**2 + 1,
            np.where(t < 2, ((-0.5 * t + 2.5) * t - 4) * t + 2, 0),
        )
    elif kernel == "area":
        weights = (t < 0.5).astype(float)
    else:
        weights = np.exp(-0.5 * (t / 0.5) ** 2)
    weights = np.trim_zeros(weights)
    weights /= weights.sum()
    weights.setflags(write=False)
    return weights


class Downsample(LinearOperator):
    """Filter and keep every `factor`-th pixel along every axis.

    Parameters
    ----------
    factor : int
        How many pixels along each axis become one; the lengths of images must be
        multiples of it.
    kernel : {"bicubic", "area", "gaussian"}, default="bicubic"
        The filter: Keys' cubic stretched by the factor (what MATLAB's ``imresize``
        does when it shrinks), the mean of the block, or a Gaussian with a standard
        deviation of half a coarse pixel, cut off at four of them.
    ndim : {1, 2, 3}, default=2
        Number of spatial axes.

    Raises
    ------
    ValueError
        If a parameter is wrong or, when called, a length is not a multiple of `factor`.

    Notes
    -----
    Images are mirrored at their borders (``d c b a | a b c d``).

    References
    ----------
    .. [1] R. G. Keys, "Cubic convolution interpolation for digital image processing",
       IEEE Trans. Acoust. Speech Signal Process. 29(6), 1981.
       :doi:`10.1109/TASSP.1981.1163711`

    Examples
    --------
    >>> import torch
    >>> from skdeconv.operators import Downsample
    >>> Downsample(2)(torch.rand(1, 3, 32, 48)).shape
    torch.Size([1, 3, 16, 24])
    """

    def __init__(self, factor: int, kernel: str = "bicubic", *, ndim: int = 2):
        whole = isinstance(factor, int | np.integer) and not isinstance(factor, bool)
        if not whole or factor < 1:
            raise ValueError(f"factor must be a positive int, got {factor!r}.")
        if kernel not in KERNELS:
            raise ValueError(f"kernel must be one of {KERNELS}, got {kernel!r}.")
        if ndim not in (1, 2, 3):
            raise ValueError(f"ndim must be 1, 2 or 3, got {ndim!r}.")
        self.factor = int(factor)
        self.kernel = kernel
        self.ndim = ndim

    def __repr__(self):
        return f"Downsample({self.factor}, {self.kernel!r}, ndim={self.ndim})"

    def __call__(self, x: Tensor) -> Tensor:
        weights = profile(self.kernel, self.factor)
        shape = self.output_shape(tuple(x.shape[-self.ndim :]))
        for axis, m in zip(spatial_axes(self.ndim), shape, strict=True):
            padded = x.index_select(axis, self._source(x.shape[axis], x.device))
            x = sum(w * self._tap(padded, axis, t, m) for t, w in enumerate(weights))
        return x

    def adjoint(self, y: Tensor) -> Tensor:
        weights = profile(self.kernel, self.factor)
        for axis in spatial_axes(self.ndim):
            m, shape = y.shape[axis], list(y.shape)
            shape[axis] = m * self.factor
            source = self._source(shape[axis], y.device)
            x = y.new_zeros(shape)
            shape[axis] = len(source)
            padded = y.new_zeros(shape)
            for t, w in enumerate(weights):
                self._tap(padded, axis, t, m).add_(y, alpha=w)
            y = x.index_add_(axis, source, padded)
        return y

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        if any(n % self.factor for n in input_shape):
            raise ValueError(
                f"the lengths of images must be multiples of factor = {self.factor}, "
                f"got {tuple(input_shape)}; crop them."
            )
        return tuple(n // self.factor for n in input_shape)

    def input_shape(self, output_shape: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(n * self.factor for n in output_shape)

    def norm(self, input_shape: tuple[int, ...]) -> float:
        bound = 1.0
        for n in input_shape:
            # Sums of magnitudes along rows and columns of the map along one axis.
            weights = np.abs(profile(self.kernel, self.factor))
            column = np.zeros(n)
            source = self._source(n, "cpu").numpy()
            for t, w in enumerate(weights):
                taps = source[t :: self.factor][: n // self.factor]
                np.add.at(column, taps, w)
            bound *= np.sqrt(weights.sum() * column.max())
        return float(bound)

    def _source(self, n, device):
        """Pixel of an axis of length n behind each one of the mirrored axis."""
        before = (len(profile(self.kernel, self.factor)) - self.factor) // 2
        return mirrored(-before, n + before, n, device)

    def _tap(self, padded, axis, t, m):
        """What the t-th weight meets, for each of m coarse pixels."""
        index = [slice(None)] * padded.ndim
        index[axis] = slice(t, t + self.factor * (m - 1) + 1, self.factor)
        return padded[tuple(index)]
