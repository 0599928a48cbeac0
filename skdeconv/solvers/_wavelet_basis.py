r"""Orthogonal wavelets: as many coefficients as samples, in any number of axes.

What :mod:`~skdeconv.solvers._wavelet_frame` gives when every second sample is left out
on each level. The transform is orthonormal, so that white noise keeps its standard
deviation in every coefficient. Images are periodic, of sides that are multiples of
``2**levels``.
"""

from math import sqrt

import torch
from torch import Tensor

from skdeconv.solvers._wavelet_frame import _weigh, _wrap, filters


def decompose(
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
    coarse : Tensor of shape (batch, channels, *spatial / 2**levels)
        Local means, scaled.
    details : list of list of Tensor
        Per level, fine to coarse, ``2**ndim - 1`` bands. In their order the last axis
        turns fastest from low to high pass.
    """
    low, high = _unit_filters(wavelet)
    details = []
    for _ in range(levels):
        bands = [x]
        for axis in range(-ndim, 0):
            bands = [part for x in bands for part in _split(x, low, high, axis)]
        x, *detail = bands
        details.append(detail)
    return x, details


def compose(
    coarse: Tensor, details: list[list[Tensor]], ndim: int, *, wavelet: str = "haar"
) -> Tensor:
    """Put images together again: adjoint and inverse of :func:`decompose`.

    Parameters
    ----------
    coarse : Tensor
        Local means, scaled.
    details : list of list of Tensor
        Bands per level, fine to coarse.
    ndim : int
        Number of spatial axes.
    wavelet : {"haar", "db2", ..., "db8"}, default="haar"
        The wavelet.

    Returns
    -------
    x : Tensor of shape (batch, channels, *spatial)
        Images.
    """
    low, high = _unit_filters(wavelet)
    for detail in reversed(details):
        bands = [coarse, *detail]
        for axis in range(-1, -ndim - 1, -1):
            pairs = zip(bands[::2], bands[1::2], strict=True)
            bands = [_merge(a, b, low, high, axis) for a, b in pairs]
        coarse = bands[0]
    return coarse


def _unit_filters(wavelet):
    """Low and high pass of norm 1."""
    return [tuple(sqrt(2) * tap for tap in taps) for taps in filters(wavelet)]


def _split(x, low, high, axis):
    """Low and high pass at every second sample."""
    n, room = x.shape[axis] // 2, len(low) // 2 - 1
    phases = x.unflatten(axis, (n, 2)).unbind(axis)
    if room or axis == -1:  # in one piece, which is quicker to read several times
        phases = [_wrap(phase, axis, 0, room) for phase in phases]
    shifts = [phases[k % 2].narrow(axis, k // 2, n) for k in range(len(low))]
    return [_weigh(shifts, taps, torch.empty_like(shifts[0])) for taps in (low, high)]


def _merge(a, b, low, high, axis):
    n, room = a.shape[axis], len(low) // 2 - 1
    x = a.new_empty(*a.shape[:axis], 2 * n, *a.shape[axis:][1:])
    if room:
        a, b = _wrap(a, axis, room, 0), _wrap(b, axis, room, 0)
    for phase, samples in enumerate(x.unflatten(axis, (n, 2)).unbind(axis)):
        shifts = [
            part.narrow(axis, room - k, n) for part in (a, b) for k in range(room + 1)
        ]
        taps = low[phase::2] + high[phase::2]
        if axis == -1:  # every second number is slow to write several times
            samples.copy_(_weigh(shifts, taps, torch.empty_like(shifts[0])))
        else:
            _weigh(shifts, taps, samples)
    return x
