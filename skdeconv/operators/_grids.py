"""Frames inside periodic grids.

A blur of any boundary is a periodic convolution on a larger grid, of which only the
first ``n`` pixels per axis, the frame, are seen. What the grid holds beyond the frame
tells the boundaries apart: nothing (periodic), the mirrored frame (reflect), or unknown
scene (extended).
"""

from functools import lru_cache

import torch
from torch import Tensor

from skdeconv.operators._fourier import spatial_axes


def frame(shape: tuple[int, ...]) -> tuple:
    """Index of the frame of a given shape in a grid."""
    return (..., *map(slice, shape))


def along(values: Tensor, axis: int) -> Tensor:
    """View a 1-D tensor along one of the last axes, counted from the end."""
    return values.reshape(-1, *(1,) * (-axis - 1))


def distance(shape: tuple[int, ...], grid: tuple[int, ...], like: Tensor) -> Tensor:
    """Pixels from each point of the grid to the frame, along the farthest axis."""
    far = torch.zeros((), device=like.device, dtype=like.dtype)
    for axis, n, p in zip(spatial_axes(len(grid)), shape, grid, strict=True):
        i = torch.arange(p, device=like.device, dtype=like.dtype)
        gap = torch.minimum(i - (n - 1), p - i).clamp_min(0)
        far = torch.maximum(far, along(gap, axis))
    return far


def bridge(y: Tensor, grid: tuple[int, ...]) -> Tensor:
    """Fill a grid beyond the frame with straight lines between opposite edges."""
    for axis, p in zip(spatial_axes(len(grid)), grid, strict=True):
        n = y.shape[axis]
        first, last = y.narrow(axis, 0, 1), y.narrow(axis, n - 1, 1)
        t = torch.arange(1, p - n + 1, device=y.device, dtype=y.dtype) / (p - n + 1)
        y = torch.cat([y, torch.lerp(last, first, along(t, axis))], axis)
    return y


@lru_cache
def mirrored(start: int, stop: int, n: int, device) -> Tensor:
    """Where in an axis of `n` pixels the positions of its mirrored endless one lie."""
    with torch.inference_mode(False):  # so that training can use it later
        i = torch.arange(start, stop, device=device) % (2 * n)
        return torch.minimum(i, 2 * n - 1 - i)


def _mirror_index(n, p, before, device):
    """Where in the frame the points of a mirrored grid come from."""
    return mirrored(-before, p - before, n, device).roll(-before)


def mirror(x: Tensor, grid: tuple[int, ...], margins) -> Tensor:
    """Fill a grid with the frame and, beyond its edges, its mirror images."""
    for axis, p, (before, _) in zip(
        spatial_axes(len(grid)), grid, margins, strict=True
    ):
        index = _mirror_index(x.shape[axis], p, before, x.device)
        x = x.index_select(axis, index)
    return x


def fold(x: Tensor, shape: tuple[int, ...], margins) -> Tensor:
    """Adjoint of :func:`mirror`: add every point of the grid where it came from."""
    for axis, n, (before, _) in zip(
        spatial_axes(len(shape)), shape, margins, strict=True
    ):
        index = _mirror_index(n, x.shape[axis], before, x.device)
        folded = list(x.shape)
        folded[axis] = n
        x = x.new_zeros(folded).index_add_(axis, index, x)
    return x
