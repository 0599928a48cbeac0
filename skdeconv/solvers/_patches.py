"""Overlapping patches: cut out, put back."""

from math import prod

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


def average_patches(
    patches: Tensor, shape: tuple[int, ...], patch_size, weights: Tensor | None = None
) -> Tensor:
    """Put overlapping patches back and average them where they overlap.

    Parameters
    ----------
    patches : Tensor of shape (batch, n_patches, channels * prod(patch_size))
        In the order of :func:`extract_patches`.
    shape : tuple of int
        Spatial shape of the images.
    patch_size : int or tuple of int
        Size of a patch, clipped to `shape`.
    weights : Tensor of shape (batch, n_patches), default=None
        Positive weight of each patch; None weighs them alike.

    Returns
    -------
    x : Tensor of shape (batch, channels, *shape)
        In every pixel the mean of the patches that cover it.
    """
    if weights is None:
        weights = patches.new_ones(patches.shape[:2])
    weights = weights[..., None]
    cover = weights.expand(-1, -1, prod(clip_patch_size(patch_size, shape)))
    total = add_patches(patches * weights, shape, patch_size)
    return total / add_patches(cover, shape, patch_size)
