"""Noise that images had before they were compressed."""

import numpy as np
import pytest
import torch
from skimage import data

from skdeconv.datasets import load_photographs
from skdeconv.degradations import JPEGCompression
from skdeconv.estimation import estimate_noise_std
from skdeconv.estimation._jpeg import jpeg_noise_std

GREY = torch.from_numpy(load_photographs("test").images[1][None, None]).float()
COLOUR = torch.from_numpy(data.astronaut()[None, :300, 100:400]).float().movedim(-1, 1)


def compressed(clean, std, quality, seed=0):
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(seed))
    return JPEGCompression(quality, data_range=255.0)(clean + std * noise)


@pytest.mark.parametrize("quality", [40, 75, 90, 95])
@pytest.mark.parametrize("std", [5, 10, 20])
@pytest.mark.parametrize("clean", [GREY, COLOUR], ids=["grey", "colour"])
def test_noise_is_measured_that_compression_took(clean, std, quality):
    level, sure = jpeg_noise_std(compressed(clean, std, quality), 255.0)
    if (std, quality) == (5, 40):  # hardly any of it is left
        assert level < 1.2 * std
        return
    assert sure
    assert level == pytest.approx(std, rel=0.2)


def test_it_does_not_show_in_the_pixels():
    assert estimate_noise_std(compressed(GREY, 10, 50), 2) < 3


def test_blocks_may_begin_anywhere_and_units_do_not_matter():
    x = compressed(GREY, 10, 75)
    expected, _ = jpeg_noise_std(x, 255.0)
    cut, _ = jpeg_noise_std(x[..., 5:, 3:], 255.0)
    torch.testing.assert_close(cut, expected, rtol=0.1, atol=0)
    for span in (1.0, 65535.0):
        scaled, _ = jpeg_noise_std((x.double() * span / 255), span)
        torch.testing.assert_close(scaled.float() * 255 / span, expected)
    batch, _ = jpeg_noise_std(torch.cat([x, x.flip(-1), GREY]), 255.0)
    torch.testing.assert_close(batch[:1], expected)
    assert batch[2] == 0


def test_what_was_not_compressed_or_changed_since_tells_nothing():
    noise = torch.randn(GREY.shape, generator=torch.Generator().manual_seed(0))
    for x in (
        (GREY + 10 * noise).round().clamp(0, 255),
        compressed(GREY, 10, 75) + 0.3,
        torch.nn.functional.avg_pool2d(compressed(GREY, 10, 75), 2).round(),
        compressed(GREY, 10, 75).expand(-1, 2, -1, -1),
        compressed(GREY[..., :64, :64], 10, 75),
        torch.full_like(GREY, 17.0),
    ):
        level, sure = jpeg_noise_std(x, 255.0)
        assert level == 0
        assert not sure


def test_hidden_and_clipped_pixels_do_not_count():
    x = compressed(GREY, 10, 75)
    expected, _ = jpeg_noise_std(x, 255.0)
    weight = torch.ones_like(x)
    weight[..., 40:80, 40:90] = 0
    broken = torch.where(weight > 0, x, 128.0)
    level, _ = jpeg_noise_std(broken, 255.0, weight)
    torch.testing.assert_close(level, expected, rtol=0.1, atol=0)
    assert jpeg_noise_std(x, 255.0, torch.zeros_like(x))[0] == 0
    dark = compressed((GREY - 150).clamp(min=0), 10, 90)
    level, _ = jpeg_noise_std(dark, 255.0)
    assert level == pytest.approx(10, rel=0.35)


def test_texture_is_not_sure():
    x = torch.from_numpy(data.gravel()[None, None]).float()
    for quality in (75, 90):
        _, sure = jpeg_noise_std(compressed(x, 0, quality), 255.0)
        assert not sure


def test_dtypes():
    x = compressed(GREY, 10, 75)
    single, _ = jpeg_noise_std(x, 255.0)
    double, _ = jpeg_noise_std(x.double(), 255.0)
    assert double.dtype == torch.float64
    np.testing.assert_allclose(single, double, rtol=1e-5)
