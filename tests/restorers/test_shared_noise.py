"""Noise of which neighbouring pixels share a part, without a blur."""

import warnings

import numpy as np
import pytest
import torch
from scipy.ndimage import convolve

from skdeconv import (
    BilateralRestorer,
    BlockMatchingRestorer,
    NonLocalMeansRestorer,
    PretrainedDenoiser,
    SparseCodingRestorer,
    TotalVariationRestorer,
    WaveletRestorer,
)
from skdeconv.datasets import load_photographs
from skdeconv.estimation._correlation import noise_spacing
from skdeconv.exceptions import NoiseWarning
from skdeconv.metrics import psnr
from skdeconv.restorers._lattices import on_lattices

STD = 20.0
BILINEAR = np.outer([1, 2, 1], [1, 2, 1]) / 16
CLEAN = load_photographs("test").images[1][:256, :256].astype("f4")


def demosaicked(shape, seed=0):
    """Noise of deviation 1 that interpolation has smoothed."""
    noise = convolve(
        np.random.default_rng(seed).standard_normal(shape), BILINEAR, mode="wrap"
    )
    return (noise / noise.std()).astype("f4")


def as_tensor(*images):
    return torch.from_numpy(np.stack(images).astype("f4"))[:, None]


def test_spacing_is_found_of_each_image():
    white = np.random.default_rng(0).standard_normal(CLEAN.shape)
    images = [CLEAN + STD * demosaicked(CLEAN.shape), CLEAN + STD * white, CLEAN]
    assert noise_spacing(as_tensor(*images)).tolist() == [2, 1, 1]
    wide = convolve(demosaicked(CLEAN.shape), BILINEAR, mode="wrap")
    assert noise_spacing(as_tensor(CLEAN + STD / wide.std() * wide)) == 3


@pytest.mark.parametrize("shape", [(95, 200), (256,), (16, 100, 100)])
def test_too_few_pixels_or_other_dimensions_tell_nothing(shape):
    assert noise_spacing(torch.randn(1, 1, *shape)) == 1


def test_hidden_pixels_and_textures_of_one_channel_do_not_count():
    noise = as_tensor(STD * demosaicked((256, 256)))
    weight = (torch.rand(1, 1, 256, 256) > 0.1).float()
    assert noise_spacing(noise) == 2
    assert noise_spacing(noise, weight) == 1  # leaves no block whole
    part = torch.ones_like(weight)
    part[..., :64] = 0
    assert noise_spacing(noise, part) == 2
    colours = torch.cat([noise, noise, STD * torch.randn(1, 1, 256, 256)], dim=1)
    assert noise_spacing(colours) == 1


@pytest.mark.parametrize("spacing", [1, 2, 3])
def test_lattices_come_back_in_place(spacing):
    x, level = torch.rand(2, 3, 31, 44), torch.tensor([1.0, 2.0])
    seen = []

    def denoise(x, level, weight):
        seen.append((x.shape, level.tolist()))
        return x * level.view(-1, 1, 1, 1) * weight

    weight = torch.rand(2, 1, 31, 44)
    restored = on_lattices(denoise, spacing, x, level, weight)
    torch.testing.assert_close(restored, x * level.view(-1, 1, 1, 1) * weight)
    shape, levels = seen[0]
    assert shape == (2 * spacing**2, 3, -(-31 // spacing), -(-44 // spacing))
    assert levels == [1.0] * spacing**2 + [2.0] * spacing**2


@pytest.mark.parametrize(
    "restorer",
    [
        BilateralRestorer(),
        BlockMatchingRestorer(),
        NonLocalMeansRestorer(),
        PretrainedDenoiser(),
        SparseCodingRestorer(),
        WaveletRestorer(),
        TotalVariationRestorer(),
    ],
    ids=lambda restorer: type(restorer).__name__,
)
def test_denoisers_restore_what_interpolation_smoothed(restorer):
    clean = CLEAN[:160, 30:190]
    noisy = clean + STD * demosaicked(clean.shape)
    restorer = restorer.set_params(data_range=255)
    with pytest.warns(NoiseWarning, match="neighbouring pixels share"):
        restorer.fit(noisy[None])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoiseWarning)
        restored = restorer.predict(noisy[None])
    # Taken for white noise, it is 0.1 to 0.3 dB.
    before = psnr(clean[None], noisy[None], data_range=255)
    assert psnr(clean[None], restored, data_range=255) > before + 3
    if isinstance(restorer, WaveletRestorer):
        assert restorer.noise_std_ == pytest.approx(STD, rel=0.15)


def test_levels_of_colours_are_averaged():
    levels = np.array([10.0, 30.0, 20.0])
    noise = np.stack([demosaicked((200, 200), seed) for seed in range(3)], axis=-1)
    restorer = WaveletRestorer(data_range=255)
    with pytest.warns(NoiseWarning, match="neighbouring pixels share"):
        restorer.fit((128 + levels * noise)[None])
    rms = np.sqrt(np.mean(levels**2))
    assert restorer.noise_std_ == pytest.approx(rms, rel=0.1)


def test_images_of_a_batch_are_restored_as_alone():
    white = np.random.default_rng(0).standard_normal(CLEAN.shape)
    images = np.stack([CLEAN + 15 * demosaicked(CLEAN.shape), CLEAN + 15 * white])
    images = images.astype("f4")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoiseWarning)
        restorer = WaveletRestorer(data_range=255).fit(images)
        both = restorer.predict(images)
        for image, restored in zip(images, both, strict=True):
            alone = restorer.predict(image[None])[0]
            np.testing.assert_allclose(alone, restored, atol=1e-3)


def test_little_of_it_is_left_alone():
    noisy = 128 + 1.5 * demosaicked((200, 200))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        WaveletRestorer(data_range=255).fit(noisy[None])
