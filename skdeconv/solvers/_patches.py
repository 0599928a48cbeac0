"""Overlapping patches: cut out, put back."""

from math import prod

import numpy as np
import torch
from torch import Tensor


def clip_patch_size(patch_size, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Patch size per axis, no larger than the image.

    Parameters
    ----------
    patch_size : int or tuple of int
        Size along every axis, or one per axis.
    shape : tuple of int
        Spatial shape of the image.

    Returns
    -------
    patch_size : tuple of int
        One size per axis, at least 1.
    """
    sizes = (patch_size,) * len(shape) if isinstance(patch_size, int) else patch_size
    return tuple(max(1, min(p, n)) for p, n in zip(sizes, shape, strict=True))


def extract_patches(x: Tensor, patch_size, ndim: int) -> Tensor:
    """Cut every patch out of each image, one at every position.

    Parameters
    ----------
    x : Tensor of shape (batch, channels, *spatial)
        Images.
    patch_size : int or tuple of int
        Size of a patch, clipped to that of the image.
    ndim : int
        Number of spatial axes.

    Returns
    -------
    patches : Tensor of shape (batch, n_patches, channels * prod(patch_size))
        Positions in C order along the second axis; channel, then pixel in C order
        along the last.

    Notes
    -----
    The answer is ``prod(patch_size)`` times as large as `x`. To bound the memory, cut
    a slab of `x` along its first spatial axis: ``extract_patches(x[:, :, i : i + rows +
    patch_size - 1], ...)`` are the patches of `rows` rows.
    """
    patch_size = clip_patch_size(patch_size, tuple(x.shape[-ndim:]))
    batch, channels = x.shape[:2]
    for axis, size in enumerate(patch_size, start=2):
        x = x.unfold(axis, size, 1)
    x = x.movedim(1, ndim + 1)  # (batch, *positions, channels, *patch_size)
    return x.reshape(batch, -1, channels * prod(patch_size))


def add_patches(patches: Tensor, shape: tuple[int, ...], patch_size) -> Tensor:
    """Add overlapping patches up to images: the adjoint of :func:`extract_patches`.

    Parameters
    ----------
    patches : Tensor of shape (batch, n_patches, channels * prod(patch_size))
        In the order of :func:`extract_patches`.
    shape : tuple of int
        Spatial shape of the images.
    patch_size : int or tuple of int
        Size of a patch, clipped to `shape`.

    Returns
    -------
    x : Tensor of shape (batch, channels, *shape)
        In every pixel the sum of the patches that cover it.
    """
    ndim, patch_size = len(shape), clip_patch_size(patch_size, shape)
    positions = [n - p + 1 for n, p in zip(shape, patch_size, strict=True)]
    x = patches.reshape(len(patches), *positions, -1, *patch_size).movedim(ndim + 1, 1)
    for axis, size in reversed(list(enumerate(patch_size, start=2))):
        n = x.shape[axis]
        total = x.new_zeros([*x.shape[:axis], n + size - 1, *x.shape[axis + 1 : -1]])
        for offset, slab in enumerate(x.unbind(-1)):
            total.narrow(axis, offset, n).add_(slab)
        x = total
    return x


def sample_patches(
    x: Tensor, patch_size: tuple[int, ...], n_patches: int, random: np.random.Generator
) -> Tensor:
    """Cut patches out at random positions, or all where they are not more.

    Parameters
    ----------
    x : Tensor of shape (channels, *spatial)
        One image; a patch comes from one channel.
    patch_size : tuple of int
        Size of a patch per axis, no larger than the image.
    n_patches : int
        How many at most.
    random : numpy.random.Generator
        Draws the positions.

    Returns
    -------
    patches : Tensor of shape (n_patches or less, prod(patch_size))
        Pixels in C order.
    """
    room = zip(x.shape[1:], patch_size, strict=True)
    places = (len(x), *(n - p + 1 for n, p in room))
    total = prod(places)
    chosen = np.arange(total)
    if total > n_patches:
        chosen = random.integers(total, size=n_patches)
    index = []
    for axis, start in enumerate(np.unravel_index(chosen, places)):
        offsets = np.arange(patch_size[axis - 1]) if axis else np.zeros(1, dtype=int)
        shape = [1] * len(places)
        shape[axis] = -1
        grid = start.reshape(-1, *[1] * len(places)) + offsets.reshape(shape)
        index.append(torch.from_numpy(grid).to(x.device))
    return x[tuple(index)].reshape(len(chosen), -1)
