"""What networks cost, against counts by hand."""

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from skdeconv.networks import (
    FSRCNN,
    Autoencoder,
    ConvTransposeNet,
    DnCNN,
    UNet,
    network_summary,
)


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("channels", [1, 3])
def test_dncnn(ndim, channels):
    summary = network_summary(DnCNN, channels, ndim)
    weights = 3**ndim * (15 * 64**2 + 2 * channels * 64)
    assert summary.multiply_adds == weights
    assert summary.parameters == weights + 15 * 2 * 64 + 64 + channels
    assert summary.receptive_field == 2 * 17 + 1


def test_conv_transpose():
    summary = network_summary(ConvTransposeNet, in_channels=3)
    # Strided convolutions per output, transposed ones per input pixel.
    expected = 9 * (3 * 32 / 4 + 32 * 64 / 16 + 64 * 32 / 16 + 32 * 3 / 4)
    assert summary.multiply_adds == expected
    assert summary.parameters == 9 * (2 * 3 * 32 + 2 * 32 * 64) + 32 + 64 + 32 + 3
    assert [layer[1] for layer in summary.layers] == [
        *["Conv2d"] * 2,
        *["ConvTranspose2d"] * 2,
    ]
    assert [layer[2] for layer in summary.layers] == [
        *[(32, 32, 32), (64, 16, 16)],
        *[(32, 32, 32), (3, 64, 64)],
    ]


def test_fsrcnn_counts_per_coarse_pixel():
    for upscale in (2, 3):
        network = FSRCNN(1, 1, upscale=upscale)
        assert network_summary(network).multiply_adds == 12_464


def test_linear_layers_and_the_shape():
    """Full connections cost the same whatever the size, so less per pixel."""
    small = network_summary(Autoencoder(1, 1, code=10), shape=(32, 32))
    large = network_summary(Autoencoder(1, 1, code=10), shape=(64, 64))
    full = 2 * 10 * 64 * 4**2
    saved = full / 32**2 - full / 64**2
    assert small.multiply_adds - large.multiply_adds == pytest.approx(saved)
    assert large.receptive_field is None
    assert "receptive field: more than 512 pixels" in str(large)
    assert small.parameters == large.parameters


def test_groups_strides_and_frozen_weights():
    network = nn.Sequential(
        nn.Conv2d(4, 8, 5, padding=2, groups=4, bias=False),
        nn.ConvTranspose2d(8, 8, 4, stride=2, padding=1, groups=8, bias=False),
        nn.Conv2d(8, 4, 2, stride=2, bias=False).requires_grad_(False),
    )
    summary = network_summary(network, in_channels=4, shape=(16, 24))
    assert summary.parameters == 8 * 25 + 8 * 16
    assert summary.multiply_adds == 8 * 25 + 8 * 16 + 8 * 4 * 4
    assert summary.receptive_field == 5 + 2


def test_network_is_left_alone():
    network = DnCNN(1, 1, depth=3, width=4).train()
    kept = {k: v.clone() for k, v in network.state_dict().items()}
    network_summary(network)
    assert network.training
    assert all(torch.equal(v, kept[k]) for k, v in network.state_dict().items())


def test_custom_networks():
    class Fixed(nn.Module):
        """Takes no arguments, and no narrow images."""

        def __init__(self):
            super().__init__()
            self.layer = nn.Conv2d(1, 1, 5)

        def forward(self, x):
            return nn.functional.pad(self.layer(x), (2, 2, 2, 2))

    summary = network_summary(Fixed, shape=(10, 10))
    assert summary.parameters == 26
    assert summary.multiply_adds == 25 * 36 / 100
    assert summary.receptive_field is None


def test_noise_levels_are_given_where_they_are_taken():
    plain, mapped = (
        network_summary(UNet(1, 1, width=8, noise_map=noise_map))
        for noise_map in (False, True)
    )
    assert mapped.parameters == plain.parameters + 9 * 8
    assert mapped.multiply_adds == plain.multiply_adds + 9 * 8 / 4
    assert mapped.receptive_field == plain.receptive_field


def test_layers_whose_weights_are_normalised():
    class Spectral(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = spectral_norm(nn.Conv2d(1, 16, 3, padding=1))
            self.last = nn.Conv2d(16, 1, 3, padding=1)

        def forward(self, x):
            return self.last(self.first(x))

    summary = network_summary(Spectral)
    assert summary.multiply_adds == 2 * 9 * 16
    assert sum(row[3] for row in summary.layers) == summary.parameters


def test_table():
    table = str(network_summary(DnCNN(1, 1, depth=3, width=4)))
    assert "layers.2" in table
    assert "4 x 64 x 64" in table
    assert "receptive field: 7 pixels" in table


def test_bad_input():
    with pytest.raises(ValueError, match="ndim must be 1, 2 or 3, got 4"):
        network_summary(DnCNN, ndim=4)
    with pytest.raises(ValueError, match=r"shape must have ndim = 2 axes, got \(8,\)"):
        network_summary(DnCNN, shape=(8,))
