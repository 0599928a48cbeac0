"""Windows that slide over images: mirrored borders, sums, averages."""

from collections.abc import Callable

import torch
from torch import Tensor

from skdeconv.operators._grids import mirrored
from skdeconv.operators._pairs import displacements, overlap


def pad_mirrored(x: Tensor, margins: list[tuple[int, int]]) -> Tensor:
    """Extend the last axes by mirroring (``b a | a b c | c b``), as far as asked.

    Parameters
    ----------
    x : Tensor of shape (batch, channels, *spatial)
        Images.
    margins : list of (int, int)
        Pixels to add before and after, per spatial axis.

    Returns
    -------
    x : Tensor of shape (batch, channels, *larger)
        Extended images.
    """
    for axis, (before, after) in zip(range(-len(margins), 0), margins, strict=True):
        if before or after:
            n = x.shape[axis]
            x = x.index_select(axis, mirrored(-before, n + after, n, x.device))
    return x


def window_sums(x: Tensor, sizes: tuple[int, ...]) -> Tensor:
    """Sum the windows of the last axes that lie inside.

    Parameters
    ----------
    x : Tensor of shape (..., *spatial)
        Values.
    sizes : tuple of int
        Length of the window per axis.

    Returns
    -------
    sums : Tensor of shape (..., *(n - size + 1))
        One per position of the window. Sums of two, four, ... pixels are shared
        between windows, and nothing cancels as it does in cumulative sums.
    """
    for axis, size in zip(range(-len(sizes), 0), sizes, strict=True):
        n, done, block, total = x.shape[axis] - size + 1, 0, 1, None
        while True:
            if size & block:
                part = x.narrow(axis, done, n)
                total = part if total is None else total + part
                done += block
            if 2 * block > size:
                break
            m = x.shape[axis] - block
            x = x.narrow(axis, 0, m) + x.narrow(axis, block, m)
            block *= 2
        x = total
    return x


def average_alike(
    y: Tensor,
    radii: tuple[int, ...],
    patch_size: int,
    affinity: Callable[[Tensor, tuple[int, ...]], Tensor],
    guide: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Sum the pixels in a box around each pixel, weighted by likeness.

    Parameters
    ----------
    y : Tensor of shape (batch, channels, *spatial)
        Images. Neighbours lie inside the frame; patches are mirrored beyond it.
    radii : tuple of int
        Largest displacement of a neighbour per axis.
    patch_size : int
        Length of the patches that are compared, odd.
    affinity : callable
        Gives the weights (batch, 1, *positions) from the mean squared difference of
        the patches, which it may overwrite, and the displacement.
    guide : Tensor of shape (batch, any, *spatial), default=None
        Where patches are compared; `y` itself if None.

    Returns
    -------
    total : Tensor of shape (batch, channels, *spatial)
        Weighted sums without the pixel itself.
    weight : Tensor of shape (batch, 1, *spatial)
        Sums of the weights.
    """
    shape, ndim = tuple(y.shape[2:]), y.ndim - 2
    radii = tuple(min(r, n - 1) for r, n in zip(radii, shape, strict=True))
    half, sizes = patch_size // 2, (patch_size,) * ndim
    guide = y if guide is None else guide
    padded = pad_mirrored(guide, [(half, half)] * ndim)
    total, weight = torch.zeros_like(y), torch.zeros_like(y[:, :1])
    share = 1 / (guide.shape[1] * patch_size**ndim)
    for d in displacements(radii):
        first, second = overlap(d, shape)
        a, b = overlap(d, tuple(padded.shape[2:]))
        distance = (padded[a] - padded[b]).square_()
        if guide.shape[1] > 1:
            distance = distance.sum(1, keepdim=True)
        distance = window_sums(distance, sizes).mul_(share)
        w = affinity(distance, d)
        for here, there in ((first, second), (second, first)):
            total[here].addcmul_(w, y[there])
            weight[here] += w
    return total, weight
