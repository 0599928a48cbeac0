"""Sums over parts of an image."""

import pytest
import torch

from skdeconv.solvers._tiles import Tiles


@pytest.mark.parametrize("shape", [(700,), (1, 9), (32, 48), (33, 50), (7, 13, 20)])
@pytest.mark.parametrize("pixels", [256, 20, None])
def test_sums_are_those_of_the_tiles(shape, pixels):
    x = torch.rand(2, 3, *shape, dtype=torch.float64)
    tiles = Tiles(shape, pixels)
    sums = tiles.sums(x)
    assert sums.shape == (2, *tiles.grid)
    torch.testing.assert_close(sums.flatten(1).sum(1), x.flatten(1).sum(1))
    side = max(shape) if pixels is None else round(pixels ** (1 / len(shape)))
    corner = x[(..., *(slice(side),) * len(shape))]
    first = sums[(slice(None), *(0,) * len(shape))]
    torch.testing.assert_close(first, corner.flatten(1).sum(1))


def test_one_tile_takes_images_by_parts():
    x = torch.rand(2, 1, 30, 20, dtype=torch.float64)
    tiles = Tiles((30, 20), None)
    sums = sum(tiles.sums(part) for part in x.tensor_split(4, 2))
    torch.testing.assert_close(sums, tiles.sums(x))


@pytest.mark.parametrize("shape", [(700,), (33, 50), (7, 13, 20)])
def test_constants_stay(shape):
    tiles = Tiles(shape)
    values = torch.full((2, *tiles.grid), 3.0)
    torch.testing.assert_close(tiles.smooth(values), values)
    images = tiles.spread(values)
    torch.testing.assert_close(images, torch.full((2, 1, *shape), 3.0))


def test_map_of_tiles_follows_them():
    tiles = Tiles((64, 64))
    values = torch.zeros(1, 4, 4)
    values[0, 1, 2] = 1
    image = tiles.spread(values)[0, 0]
    assert image[24, 40] > 0.9
    assert image[:8].max() == 0
    smooth = tiles.smooth(values)[0]
    assert smooth[1, 2] == 0.25
    assert smooth[0, 1] == 1 / 16
    assert smooth[3].max() == 0
