"""Sums over the parts of an image, and maps of the parts as maps of the pixels."""

from functools import reduce
from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor

# Pixels of a tile, about; its neighbours count with it.
TILE_PIXELS = 256

MODES = {1: "linear", 2: "bilinear", 3: "trilinear"}


class Tiles:
    """A grid of square tiles over images of one shape.

    Parameters
    ----------
    shape : tuple of int
        Spatial shape of the images.
    pixels : int or None, default=256
        Pixels of a tile, about; None for one tile that holds all.
    """

    def __init__(self, shape: tuple[int, ...], pixels: int | None = TILE_PIXELS):
        side = max(shape) if pixels is None else round(pixels ** (1 / len(shape)))
        self._shape = shape
        self._sides = [min(side, n) for n in shape]
        self.grid = tuple(-(-n // s) for n, s in zip(shape, self._sides, strict=True))

    def sums(self, x: Tensor) -> Tensor:
        """Sum over channels and pixels, per image and tile.

        Parameters
        ----------
        x : Tensor of shape (batch, channels, *spatial)
            Images; if all are in one tile, it may be a part of them.

        Returns
        -------
        sums : Tensor of shape (batch, *grid)
        """
        if prod(self.grid) == 1:
            return x.flatten(1).sum(1).reshape(-1, *self.grid)
        x = x.sum(1)
        room = [
            g * s - n
            for g, s, n in zip(self.grid, self._sides, self._shape, strict=True)
        ]
        x = F.pad(x, [edge for more in reversed(room) for edge in (0, more)])
        for axis, side in enumerate(self._sides, 1):
            x = x.unflatten(axis, (-1, side)).sum(axis + 1)
        return x

    def smooth(self, values: Tensor) -> Tensor:
        """Mix each tile with its neighbours: a half, and two quarters, along each axis.

        Parameters
        ----------
        values : Tensor of shape (batch, *grid)

        Returns
        -------
        smooth : Tensor of shape (batch, *grid)
        """
        for axis, n in enumerate(self.grid, 1):
            if n > 1:
                first, last = values.narrow(axis, 0, 1), values.narrow(axis, n - 1, 1)
                wide = torch.cat([first, values, last], axis)
                parts = [wide.narrow(axis, k, n) for k in range(3)]
                values = reduce(torch.add, parts, values) / 4
        return values

    def spread(self, values: Tensor) -> Tensor:
        """Interpolate between the middles of the tiles.

        Parameters
        ----------
        values : Tensor of shape (batch, *grid)

        Returns
        -------
        images : Tensor of shape (batch, 1, *spatial)
            Of size 1 along spatial axes where there is one tile in all.
        """
        values = values[:, None]
        if prod(self.grid) == 1:
            return values
        full = [g * s for g, s in zip(self.grid, self._sides, strict=True)]
        values = F.interpolate(values, full, mode=MODES[len(full)])
        return values[(..., *map(slice, self._shape))]
