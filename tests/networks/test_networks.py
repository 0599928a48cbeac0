"""Networks of any size and dimension."""

import pytest
import torch

from skdeconv.networks import ConvTransposeNet, UNet
from skdeconv.networks._layers import pixel_shuffle, pixel_unshuffle

SIZES = {1: [(1,), (17,)], 2: [(1, 1), (13, 18)], 3: [(1, 2, 1), (5, 6, 9)]}
CASES = [(ndim, size) for ndim, sizes in SIZES.items() for size in sizes]


@pytest.mark.parametrize("network", [UNet, ConvTransposeNet])
@pytest.mark.parametrize(("ndim", "size"), CASES)
def test_shape_is_kept(network, ndim, size):
    x = torch.rand(2, 3, *size)
    assert network(3, 3, ndim=ndim, width=6)(x).shape == x.shape
    assert network(3, 1, ndim=ndim, width=6)(x).shape == (2, 1, *size)


@pytest.mark.parametrize("network", [UNet, ConvTransposeNet])
def test_every_parameter_gets_a_gradient(network):
    built = network(1, 1, width=6)
    built(torch.rand(2, 1, 16, 16)).square().mean().backward()
    assert all(p.grad is not None for p in built.parameters())


def test_unet_size_and_start():
    network = UNet(1, 1)
    assert 1.4e6 < sum(p.numel() for p in network.parameters()) < 1.7e6
    x = torch.rand(1, 1, 32, 32)
    assert (network(x) - x).abs().mean() < 0.5


def test_conv_transpose_layers_are_those_of_the_article():
    kinds = [type(layer).__name__ for layer in ConvTransposeNet(3, 3).layers]
    assert kinds == [
        "Conv2d",
        "ReLU",
        "Conv2d",
        "ReLU",
        "ConvTranspose2d",
        "ReLU",
        "ConvTranspose2d",
    ]
    channels = [
        (layer.in_channels, layer.out_channels)
        for layer in ConvTransposeNet(3, 3).layers
        if hasattr(layer, "in_channels")
    ]
    assert channels == [(3, 32), (32, 64), (64, 32), (32, 3)]


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_shuffles_are_inverse(ndim):
    x = torch.rand(2, 3, *[4, 6, 8][:ndim])
    folded = pixel_unshuffle(x, 2, ndim)
    assert folded.shape == (2, 3 * 2**ndim, *[2, 3, 4][:ndim])
    assert torch.equal(pixel_shuffle(folded, 2, ndim), x)
