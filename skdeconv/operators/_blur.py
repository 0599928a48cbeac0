"""Convolution with a point spread function."""

from math import prod, sqrt
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from skdeconv.operators._base import LinearOperator
from skdeconv.operators._fourier import fast_shape, fft, ifft, transfer_function
from skdeconv.operators._grids import fold, frame, mirror
from skdeconv.operators._psf import check_psf

BOUNDARIES = ("extended", "periodic", "reflect")

# The last transfer function of each blur, up to a number of pixels: iterations ask for
# the same one again and again. Blurs themselves stay without state.
_LAST, KEPT = WeakKeyDictionary(), 2**22


class Blur(LinearOperator):
    r"""Convolution of an image with a point spread function.

    .. math:: y_i = \sum_j k_j \, x_{i - (j - c)}, \qquad c = \lfloor size / 2 \rfloor

    as in :func:`scipy.ndimage.convolve`, for one, two or three spatial axes.

    Parameters
    ----------
    psf : array-like of one to three axes
        Point spread function, non-negative; normalised to sum 1.
    boundary : {"reflect", "periodic", "extended"}, default="reflect"
        What lies beyond the frame: the image mirrored (``d c b a | a b c d``), the
        image repeated, or, for ``"extended"``, a larger scene of which the result
        shows the middle: an input of shape ``n + k - 1`` gives an output of shape
        ``n``, and no border is invented.

    Attributes
    ----------
    psf : ndarray
        The normalised PSF in float64.
    ndim : int
        Number of spatial axes, that of the PSF.
    margins : tuple of (int, int)
        Per axis, how many pixels of scene lie before and after the frame when
        `boundary` is ``"extended"``.

    Raises
    ------
    ValueError
        If `psf` is negative, zero, not finite or has more than three axes, or
        `boundary` is unknown.

    Examples
    --------
    >>> import numpy as np, torch
    >>> from skdeconv.operators import Blur
    >>> blur = Blur(np.ones((3, 3)) / 9, boundary="extended")
    >>> blur(torch.rand(1, 1, 34, 34)).shape
    torch.Size([1, 1, 32, 32])
    """

    def __init__(self, psf: ArrayLike, boundary: str = "reflect"):
        if boundary not in BOUNDARIES:
            raise ValueError(f"boundary must be one of {BOUNDARIES}, got {boundary!r}.")
        self.psf = check_psf(psf, warn=True)
        self.boundary = boundary

    @classmethod
    def unchecked(cls, psf: np.ndarray, boundary: str) -> "Blur":
        """Make a blur of a PSF that was checked and warned of before.

        Parameters
        ----------
        psf : ndarray of float64
            Normalised PSF.
        boundary : {"reflect", "periodic", "extended"}
            What lies beyond the frame.

        Returns
        -------
        blur : Blur
            The blur.
        """
        blur = cls.__new__(cls)
        blur.psf, blur.boundary = psf, boundary
        return blur

    @property
    def ndim(self) -> int:
        return self.psf.ndim

    @property
    def margins(self) -> tuple[tuple[int, int], ...]:
        return tuple((k - 1 - k // 2, k // 2) for k in self.psf.shape)

    def __repr__(self):
        size = "x".join(map(str, self.psf.shape))
        return f"Blur(psf=<{size}>, boundary={self.boundary!r})"

    def __call__(self, x: Tensor) -> Tensor:
        shape = tuple(x.shape[-self.ndim :])
        if self.boundary == "extended":
            return self._valid(x, shape)
        grid = self._grid(shape)
        if self.boundary == "reflect":
            x = mirror(x, grid, self.margins)
        return ifft(fft(x, grid) * self._transfer(grid, x), grid)[frame(shape)]

    def adjoint(self, y: Tensor) -> Tensor:
        shape = tuple(y.shape[-self.ndim :])
        if self.boundary == "extended":
            return self._valid_adjoint(y, self.input_shape(shape))
        grid = self._grid(shape)
        x = ifft(fft(y, grid) * self._transfer(grid, y).conj(), grid)
        return fold(x, shape, self.margins) if self.boundary == "reflect" else x

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        if self.boundary != "extended":
            return tuple(input_shape)
        return tuple(
            n - k + 1 for n, k in zip(input_shape, self.psf.shape, strict=True)
        )

    def input_shape(self, output_shape: tuple[int, ...]) -> tuple[int, ...]:
        if self.boundary != "extended":
            return tuple(output_shape)
        return tuple(
            n + k - 1 for n, k in zip(output_shape, self.psf.shape, strict=True)
        )

    def norm(self, input_shape: tuple[int, ...]) -> float:
        if self.boundary == "periodic":
            return 1.0
        # The geometric mean of the largest sums of rows, 1, and of columns.
        frame = self.output_shape(tuple(input_shape))
        columns = self.adjoint(torch.ones(1, 1, *frame, dtype=torch.float64))
        return sqrt(float(columns.max()))

    def _grid(self, shape):
        """Shape of the periodic grid on which the blur is a product of spectra."""
        if self.boundary == "periodic":
            return shape
        return fast_shape(
            tuple(n + k - 1 for n, k in zip(shape, self.psf.shape, strict=True))
        )

    def _transfer(self, grid, like):
        asked = grid, like.device, like.dtype
        psf, last, transfer = _LAST.get(self, (None, None, None))
        if psf is not self.psf or last != asked:
            with torch.inference_mode(False):  # so that training can use it later
                transfer = transfer_function(
                    self.psf, grid, device=like.device, dtype=like.dtype
                )
            if prod(grid) <= KEPT:
                _LAST[self] = self.psf, asked, transfer
        return transfer

    def _seen(self, scene):
        """Slices that cut the frame out of a scene."""
        edges = zip(scene, self.margins, strict=True)
        return (..., *(slice(before, n - after) for n, (before, after) in edges))

    def _valid(self, x, scene):
        if any(n < k for n, k in zip(scene, self.psf.shape, strict=True)):
            raise ValueError(
                f"psf of shape {self.psf.shape} is larger than the scene of shape "
                f"{scene}: nothing of it is free of the border."
            )
        grid = fast_shape(scene)
        return ifft(fft(x, grid) * self._transfer(grid, x), grid)[self._seen(scene)]

    def _valid_adjoint(self, y, scene):
        grid = fast_shape(scene)
        x = y.new_zeros((*y.shape[: -self.ndim], *grid))
        x[frame(scene)][self._seen(scene)] = y
        return ifft(fft(x, grid) * self._transfer(grid, y).conj(), grid)[frame(scene)]
