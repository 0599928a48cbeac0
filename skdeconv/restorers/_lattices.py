"""Pixels of an image that lie a few pixels apart, as images of their own."""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor


def pixel_lattices(x: Tensor, spacing: int) -> Tensor:
    """Put every lattice of pixels, so far apart, into channels of its own.

    Parameters
    ----------
    x : Tensor of shape (batch, channels, height, width)
        Images. Pixels that do not fill a cell of the lattices are left out.
    spacing : int
        Distance of the pixels along both axes.

    Returns
    -------
    lattices : Tensor of shape (batch, channels * spacing**2, height // spacing, \
            width // spacing)
    """
    height, width = (n // spacing * spacing for n in x.shape[2:])
    return F.pixel_unshuffle(x[..., :height, :width], spacing)


def on_lattices(
    denoise: Callable[..., Tensor],
    spacing: int,
    x: Tensor,
    level: Tensor,
    *maps: Tensor,
) -> Tensor:
    """Denoise every lattice of pixels, so far apart, as an image of its own.

    Parameters
    ----------
    denoise : callable
        Takes images, one noise level for each and maps.
    spacing : int
        Distance of the pixels along both axes; 1 denoises images as they are.
    x : Tensor of shape (batch, channels, height, width)
        Images.
    level : Tensor of shape (batch,)
        Their noise levels.
    *maps : Tensor of shape (batch, 1 or channels, height, width)
        What else goes by pixels.

    Returns
    -------
    restored : Tensor of shape (batch, channels, height, width)
    """
    if spacing == 1:
        return denoise(x, level, *maps)
    height, width = x.shape[2:]
    margin = (0, -width % spacing, 0, -height % spacing)

    def apart(image):
        image = F.pad(image, margin, mode="reflect")
        lattices = F.pixel_unshuffle(image, spacing)
        lattices = lattices.unflatten(1, (image.shape[1], spacing**2))
        return lattices.transpose(1, 2).flatten(0, 1)

    restored = denoise(apart(x), level.repeat_interleave(spacing**2), *map(apart, maps))
    restored = restored.unflatten(0, (len(x), spacing**2)).transpose(1, 2)
    whole = F.pixel_shuffle(restored.flatten(1, 2), spacing)
    return whole[..., :height, :width]
