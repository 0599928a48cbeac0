r"""Orthogonal wavelets: as many coefficients as samples, in any number of axes.

What :mod:`~skdeconv.solvers._wavelet_frame` gives when every second sample is left out
on each level. The transform is orthonormal, so that white noise keeps its standard
deviation in every coefficient. Images are periodic, of sides that are multiples of
``2**levels``.
"""

from math import sqrt

from torch import Tensor

from skdeconv.solvers._wavelet_frame import filters


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
    low, high = filters(wavelet)
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
    low, high = filters(wavelet)
    for detail in reversed(details):
        bands = [coarse, *detail]
        for axis in range(-1, -ndim - 1, -1):
            pairs = zip(bands[::2], bands[1::2], strict=True)
            bands = [_merge(a, b, low, high, axis) for a, b in pairs]
        coarse = bands[0]
    return coarse


def _split(x, low, high, axis):
    """Low and high pass at every second sample."""
    phases = [x.contiguous() for x in x.unflatten(axis, (-1, 2)).unbind(axis)]
    outs = []
    for taps in (low, high):
        out = phases[0] * (sqrt(2) * taps[0])
        for k, tap in list(enumerate(taps))[1:]:
            _add_turned(out, phases[k % 2], k // 2, sqrt(2) * tap, axis)
        outs.append(out)
    return outs


def _merge(a, b, low, high, axis):
    x = a.new_empty(*a.shape[:axis], 2 * a.shape[axis], *a.shape[axis:][1:])
    for phase, samples in enumerate(x.unflatten(axis, (-1, 2)).unbind(axis)):
        part = a * (sqrt(2) * low[phase])
        part.add_(b, alpha=sqrt(2) * high[phase])
        for k in range(phase + 2, len(low), 2):
            _add_turned(part, a, -(k // 2), sqrt(2) * low[k], axis)
            _add_turned(part, b, -(k // 2), sqrt(2) * high[k], axis)
        samples.copy_(part)
    return x


def _add_turned(out, x, start, factor, axis):
    """Add a multiple of periodic x, read from `start` on."""
    n = out.shape[axis]
    start %= n
    out.narrow(axis, 0, n - start).add_(x.narrow(axis, start, n - start), alpha=factor)
    if start:
        out.narrow(axis, n - start, start).add_(x.narrow(axis, 0, start), alpha=factor)
