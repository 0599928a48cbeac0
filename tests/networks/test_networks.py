"""What every network promises, and what is particular to each."""

import inspect

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import nn

from skdeconv import DeconvRestorer, networks
from skdeconv.networks import (
    FSRCNN,
    Autoencoder,
    ConvTransposeNet,
    DnCNN,
    RedNet,
    UNet,
)
from skdeconv.networks._layers import (
    GridMean,
    enlarge,
    pixel_shuffle,
    pixel_unshuffle,
)
from skdeconv.neural._building import MODULES
from skdeconv.operators import Downsample
from skdeconv.testing import check_network

NETWORKS = [
    value
    for value in (getattr(networks, name) for name in networks.__all__)
    if inspect.isclass(value) and issubclass(value, nn.Module)
]


def images(*shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


def n_parameters(network):
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize("network", NETWORKS)
def test_network(network):
    check_network(network)


@pytest.mark.parametrize(
    "options",
    [{"upscale": 3}, {"noise_map": True}, {"dropout": 0.5}, {"n_blocks": (2, 1, 0)}],
    ids=str,
)
def test_options_of_the_default(options):
    check_network(UNet, width=8, **{"n_blocks": 1} | options)


def test_every_level_has_its_depth():
    two, three = (UNet(1, 1, width=8, n_blocks=(n, 1, 1)) for n in (2, 3))
    assert n_parameters(three) - n_parameters(two) == 2 * 2 * 9 * 8 * 8
    with pytest.raises(ValueError, match="n_blocks must tell of as many levels"):
        UNet(1, 1, width=8, n_blocks=(1, 2))


@pytest.mark.parametrize("size", [(1, 2, 3), (8, 9, 10), (13, 4, 1)])
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_means_over_a_grid_are_those_of_torch(ndim, size):
    x = images(2, 3, *size[:ndim]).double()
    pool = (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d)[ndim - 1]
    assert torch.allclose(GridMean(4, ndim)(x), pool(4)(x), atol=1e-12)


def test_every_network_has_a_name():
    assert set(MODULES.values()) == set(NETWORKS)


@pytest.mark.parametrize("name", MODULES)
def test_every_name_trains_and_restores(name):
    clean = images(4, 20, 22).numpy()
    restorer = DeconvRestorer(
        name,
        max_epochs=1,
        patches_per_epoch=8,
        batch_size=4,
        patch_size=16,
        data_range=1,
        random_state=0,
    )
    restored = restorer.fit(clean, clean).predict(clean)
    assert restored.shape == clean.shape
    assert np.isfinite(restored).all()
    assert np.array_equal(clone(restorer).fit(clean, clean).predict(clean), restored)


def test_fsrcnn_starts_from_interpolation_in_a_restorer():
    fine = images(4, 20, 24)
    coarse = Downsample(2)(fine[:, None])[:, 0].numpy()
    restorer = DeconvRestorer(
        "fsrcnn",
        upscale=2,
        max_epochs=1,
        patches_per_epoch=4,
        lr=1e-6,
        data_range=1,
        random_state=0,
    )
    restored = restorer.fit(coarse, fine.numpy()).predict(coarse)
    expected = enlarge(torch.as_tensor(coarse)[:, None], 2)[:, 0].numpy()
    assert restored.shape == fine.shape
    assert np.abs(restored - expected).mean() < 0.05


@pytest.mark.parametrize("network", NETWORKS)
def test_axes(network):
    with pytest.raises(ValueError, match="ndim must be 1, 2 or 3, got 4"):
        network(1, 1, ndim=4)


@pytest.mark.parametrize("network", [RedNet, DnCNN])
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_residual_networks_start_close_to_the_identity(network, ndim):
    x = images(2, 1, *(32, 16, 8)[:ndim])
    torch.manual_seed(0)
    with torch.no_grad():
        start = network(1, 1, ndim=ndim).eval()(x)
    assert (start - x).abs().mean() < 0.1


def test_unet_size_and_start():
    network, x = UNet(1, 1), images(1, 1, 32, 32)
    assert (network(x) - x).abs().mean() < 0.5
    assert 1.4e6 < n_parameters(network) < 1.7e6


def test_conv_transpose_layers_are_those_of_the_article():
    layers = ConvTransposeNet(3, 3).layers
    kinds = ["Conv2d", "ReLU", "Conv2d", "ReLU", "ConvTranspose2d", "ReLU"]
    assert [type(layer).__name__ for layer in layers] == [*kinds, "ConvTranspose2d"]
    channels = [
        (layer.in_channels, layer.out_channels)
        for layer in layers
        if hasattr(layer, "in_channels")
    ]
    assert channels == [(3, 32), (32, 64), (64, 32), (32, 3)]


def test_rednet_is_symmetric_and_of_the_size_of_the_paper():
    network = RedNet(1, 1, depth=30, width=128)
    assert len(network.convs) == len(network.deconvs) == 15
    assert all(isinstance(layer, nn.ConvTranspose2d) for layer in network.deconvs)
    # 28 layers from 128 to 128 channels, one from 1 and one to 1, and their biases.
    assert n_parameters(network) == 9 * (28 * 128**2 + 2 * 128) + 29 * 128 + 1
    with pytest.raises(ValueError, match="depth must be an even number from 2, got 7"):
        RedNet(1, 1, depth=7)


def test_rednet_skips_join_layers_of_the_same_depth():
    """With deconvolutions that give nothing, only what skips bring is left."""
    network, x = RedNet(1, 1, depth=10, width=4), images(1, 1, 8, 8)
    for layer in network.deconvs[:-1]:
        nn.init.zeros_(layer.weight)
    last = network.deconvs[-1]
    nn.init.ones_(last.weight)
    deepest = []
    network.deconvs[-1].register_forward_hook(lambda *a: deepest.append(a[1][0]))
    assert torch.equal(network(x), x + last(torch.zeros(1, 4, 8, 8)))
    # The last deconvolution but one turns what came over the skip from depth 2 into 0;
    # with the identity in its place it is seen.
    nn.init.dirac_(network.deconvs[-2].weight)
    features = x
    for conv in network.convs[:2]:
        features = conv(features).relu()
    network(x)
    torch.testing.assert_close(deepest[-1], features)


def test_dncnn_is_that_of_the_paper():
    network = DnCNN(1, 1)
    kinds = [type(layer).__name__ for layer in network.layers]
    assert kinds == [
        *["Conv2d", "ReLU"],
        *["Conv2d", "BatchNorm2d", "ReLU"] * 15,
        "Conv2d",
    ]
    # 15 layers between with scale and shift, and a bias for the first and the last.
    expected = 9 * (15 * 64**2 + 2 * 64) + 15 * 2 * 64 + 64 + 1
    assert n_parameters(network) == expected == 556_097
    with pytest.raises(ValueError, match="depth must be at least 2, got 1"):
        DnCNN(1, 1, depth=1)


def test_dncnn_subtracts_what_it_predicts():
    network, x = DnCNN(2, 2, depth=3, width=4).eval(), images(1, 2, 9, 9)
    torch.testing.assert_close(x - network(x), network.layers(x))
    fewer = DnCNN(2, 1, depth=3, width=4).eval()
    torch.testing.assert_close(x[:, :1] - fewer(x), fewer.layers(x))
    assert not DnCNN(1, 2, depth=3, width=4).residual


def test_autoencoder_sees_the_whole_image_at_once():
    network = Autoencoder(1, 1, width=4, code=8).eval()
    kinds = {type(layer).__name__ for layer in network.modules()}
    assert kinds > {"Conv2d", "MaxPool2d", "Linear", "ConvTranspose2d"}
    x = images(1, 1, 96, 96).requires_grad_()
    (slope,) = torch.autograd.grad(network(x)[..., 0, 0].sum(), x)
    assert slope[..., 90:, 90:].any()


def test_fsrcnn_is_that_of_the_paper():
    network = FSRCNN(1, 1)
    weights = [p for p in network.parameters() if p.ndim == 4]
    # The paper counts 12,464 weights, without biases and PReLUs.
    assert sum(p.numel() for p in weights) == 12_464
    assert n_parameters(network) == 12_464 + 2 * (56 + 12 + 4 * 12 + 56) + 1
    assert isinstance(network.layers[-1], nn.ConvTranspose2d)
    assert network.layers[-1].kernel_size == (9, 9)


@pytest.mark.parametrize("upscale", [1, 2, 3, 4])
def test_fsrcnn_enlarges_any_size_and_starts_from_interpolation(upscale):
    check_network(FSRCNN, upscale=upscale, d=8, s=4, m=1, ndim=2)
    x = images(1, 1, 13, 8)
    network = FSRCNN(1, 1, upscale=upscale)
    assert network(x).shape == (1, 1, 13 * upscale, 8 * upscale)
    assert (network(x) - enlarge(x, upscale)).abs().mean() < 0.05
    fewer = FSRCNN(3, 1, upscale=upscale)
    assert fewer(images(1, 3, 5, 4)).shape == (1, 1, 5 * upscale, 4 * upscale)
    plain = FSRCNN(1, 1, upscale=upscale, residual=False)
    assert plain(x).abs().mean() < 0.05


def test_fsrcnn_bad_input():
    for upscale in (0, 1.5):
        with pytest.raises(ValueError, match="upscale must be a positive int"):
            FSRCNN(1, 1, upscale=upscale)


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_shuffles_are_inverse(ndim):
    x = torch.rand(2, 3, *[4, 6, 8][:ndim])
    folded = pixel_unshuffle(x, 2, ndim)
    assert folded.shape == (2, 3 * 2**ndim, *[2, 3, 4][:ndim])
    assert torch.equal(pixel_shuffle(folded, 2, ndim), x)


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_enlarge(factor):
    """Cubics along each axis, in line with the blocks of coarse pixels."""
    x = images(1, 2, 6, 7)
    plane = nn.functional.interpolate(x, scale_factor=factor, mode="bicubic")
    torch.testing.assert_close(enlarge(x, factor), plane)
    torch.testing.assert_close(
        enlarge(x[..., None], factor)[..., 0], plane, rtol=1e-5, atol=1e-5
    )
    lines = enlarge(x.reshape(1, 12, 7), factor)
    one = nn.functional.interpolate(x, (6, 7 * factor), mode="bicubic")
    torch.testing.assert_close(lines.reshape(1, 2, 6, -1), one)
    # A slope keeps its place: block means of the enlarged one are the coarse one.
    slope = torch.linspace(0, 1, 12).reshape(1, 1, 12)
    coarse = Downsample(factor, "area", ndim=1)(enlarge(slope, factor))
    torch.testing.assert_close(coarse[..., 2:-2], slope[..., 2:-2])
