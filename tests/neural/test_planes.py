"""Signals, volumes and channels as planes, and planes in tiles."""

from itertools import product

import pytest
import torch

from skdeconv.networks import UNet
from skdeconv.neural._planes import as_planes, in_tiles


@pytest.mark.parametrize("shape", [(17,), (1,), (2,), (9, 13), (4, 9, 13), (1, 1)])
@pytest.mark.parametrize(("channels", "in_colour"), [(1, False), (3, True), (2, False)])
def test_there_and_back(shape, channels, in_colour):
    x = torch.rand(2, channels, *shape)
    planes, back = as_planes(x, in_colour)
    assert planes.ndim == 4
    assert planes.shape[1] == (3 if in_colour else 1)
    torch.testing.assert_close(back(planes), x, rtol=0, atol=0)


def test_neighbours_of_a_signal_stay_neighbours():
    planes, _ = as_planes(torch.arange(50.0)[None, None], False)
    rows = planes[0, 0]
    assert (rows.diff(dim=1).abs() == 1).all()
    assert (rows[1, -1] - rows[0, -1]).abs() == 1


@pytest.mark.parametrize("size", [1, 40, 64, 500])
def test_tiles_make_no_difference(size):
    torch.manual_seed(0)
    network = UNet(1, 1, width=(4, 4, 4), n_blocks=1).double()
    x = torch.rand(2, 1, 130, 171, dtype=torch.float64)
    with torch.inference_mode():
        whole = network(x)
        pieces = in_tiles(
            network, x, size=size, reach=network.reach, multiple=network.multiple
        )
    torch.testing.assert_close(pieces, whole, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("width", "n_blocks"),
    [*product([3, (3, 4), (2, 3, 4, 4)], [1, 2]), ((2, 3, 4), (2, 0, 1))],
)
def test_reach(width, n_blocks):
    network = UNet(1, 1, width=width, n_blocks=n_blocks).double()
    for parameter in network.parameters():
        parameter.detach().abs_()  # so that nothing cancels
    n = 2 * network.reach + 64
    n -= n % network.multiple
    x = torch.rand(1, 1, n, 8 * network.multiple, dtype=torch.float64)
    x.requires_grad_()
    centre = n // 2 + 3
    network(x)[0, 0, centre].sum().backward()
    touched = x.grad[0, 0].abs().sum(1).nonzero()
    assert centre - touched.min() <= network.reach
    assert touched.max() - centre <= network.reach
    assert touched.max() - touched.min() > network.reach
