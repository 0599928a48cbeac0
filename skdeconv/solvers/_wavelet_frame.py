r"""Undecimated wavelets: a tight frame in any number of axes, for images of any size.

An orthogonal pair of filters, divided by :math:`\sqrt 2` and applied without leaving
samples out, keeps the sum of squares: the transform `W` of :func:`analyse` has
:math:`W^T W = I`, and :func:`synthesise` is its adjoint and its inverse at once. Images
are periodic; mirror them first where that is unwanted.
"""

from functools import lru_cache
from math import comb

import numpy as np
import torch
from torch import Tensor

# Daubechies' extremal phase wavelets with 1 to 8 vanishing moments.
WAVELETS = ("haar", "db2", "db3", "db4", "db5", "db6", "db7", "db8")


@lru_cache
def filters(wavelet: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    r"""Give the low and the high pass of an orthogonal wavelet, over :math:`\sqrt 2`.

    Parameters
    ----------
    wavelet : {"haar", "db2", ..., "db8"}
        Haar's wavelet, or Daubechies' of that many vanishing moments [1]_.

    Returns
    -------
    low, high : tuple of float
        Taps; those of `low` sum to 1.

    References
    ----------
    .. [1] I. Daubechies, "Orthonormal bases of compactly supported wavelets",
       Communications on Pure and Applied Mathematics 41, 1988.
       :doi:`10.1002/cpa.3160410705`
    """
    if wavelet not in WAVELETS:
        raise ValueError(f"wavelet must be one of {WAVELETS}, got {wavelet!r}.")
    moments = WAVELETS.index(wavelet) + 1
    # |low|^2 is cos^2N(w/2) P(sin^2(w/2)): of each pair of roots that P has in
    # z = exp(iw), the one inside the unit circle makes the filter.
    roots = np.roots([comb(moments - 1 + k, k) for k in range(moments)][::-1])
    half = 1 - 2 * roots
    inside = half - np.sqrt(half**2 - 1 + 0j)
    inside = np.where(np.abs(inside) < 1, inside, 1 / inside)
    low = np.real(np.poly(np.r_[-np.ones(moments), inside]))
    low /= low.sum()
    high = low[::-1] * (-1.0) ** np.arange(len(low))
    return tuple(low.tolist()), tuple(high.tolist())


def analyse(
    x: Tensor, ndim: int, *, wavelet: str = "haar", levels: int = 4
) -> tuple[Tensor, list[Tensor]]:
    """Split periodic images into a coarse one and details.

    Parameters
    ----------
    x : Tensor of shape (batch, channels, *spatial)
        Images.
    ndim : int
        Number of spatial axes.
    wavelet : {"haar", "db2", ..., "db8"}, default="haar"
        The wavelet.
    levels : int, default=4
        How often the coarse image is split again.

    Returns
    -------
    coarse : Tensor of shape (batch, channels, *spatial)
        Local means.
    details : list of Tensor of shape (batch, channels, 2**ndim - 1, *spatial)
        One tensor per level, fine to coarse. In the order of its bands the last axis
        turns fastest from low to high pass.

    Notes
    -----
    White noise of standard deviation 1 has :func:`noise_gain` in the details.
    """
    low, high = filters(wavelet)
    details = []
    for level in range(levels):
        bands = [x]
        for axis in range(-ndim, 0):
            bands = [b for x in bands for b in _split(x, low, high, axis, 2**level)]
        x = bands[0]
        details.append(torch.stack(bands[1:], 2))
    return x, details


def synthesise(
    coarse: Tensor, details: list[Tensor], ndim: int, *, wavelet: str = "haar"
) -> Tensor:
    """Put images together again: adjoint and inverse of :func:`analyse`.

    Parameters
    ----------
    coarse : Tensor of shape (batch, channels, *spatial)
        Local means.
    details : list of Tensor of shape (batch, channels, 2**ndim - 1, *spatial)
        One tensor per level, fine to coarse.
    ndim : int
        Number of spatial axes.
    wavelet : {"haar", "db2", ..., "db8"}, default="haar"
        The wavelet.

    Returns
    -------
    x : Tensor of shape (batch, channels, *spatial)
        Images.
    """
    low, high = filters(wavelet)
    for level, detail in reversed(list(enumerate(details))):
        bands = [coarse, *detail.unbind(2)]
        for axis in range(-1, -ndim - 1, -1):
            pairs = zip(bands[::2], bands[1::2], strict=True)
            bands = [_merge(a, b, low, high, axis, 2**level) for a, b in pairs]
        coarse = bands[0]
    return coarse


def noise_gain(level: int, ndim: int) -> float:
    """Standard deviation that white noise of 1 has in the details of a level from 0."""
    return 2.0 ** (-(level + 1) * ndim / 2)


def _split(x, low, high, axis, step):
    """Low and high pass along an axis, with holes between the taps."""
    n, room = x.shape[axis], (len(low) - 1) * step
    x = _wrap(x, axis, room, 0)
    shifts = [x.narrow(axis, room - k * step, n) for k in range(len(low))]
    return _weigh(shifts, low), _weigh(shifts, high)


def _merge(a, b, low, high, axis, step):
    n, room = a.shape[axis], (len(low) - 1) * step
    shifts = [
        x.narrow(axis, k * step, n)
        for x in (_wrap(a, axis, 0, room), _wrap(b, axis, 0, room))
        for k in range(len(low))
    ]
    return _weigh(shifts, low + high)


def _wrap(x, axis, before, after):
    n = x.shape[axis]
    if before + after > n:
        i = torch.arange(-before, n + after, device=x.device) % n
        return x.index_select(axis, i)
    parts = [x.narrow(axis, n - before, before), x, x.narrow(axis, 0, after)]
    return torch.cat(parts, axis)


def _weigh(tensors, weights):
    total = tensors[0] * weights[0]
    for tensor, weight in zip(tensors[1:], weights[1:], strict=True):
        total.add_(tensor, alpha=weight)
    return total
