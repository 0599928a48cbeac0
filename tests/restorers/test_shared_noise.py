"""Noise of which neighbouring pixels share a part, without a blur."""

import warnings

import numpy as np
import pytest
import torch
from scipy.ndimage import convolve
from skimage import data

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
from skdeconv.degradations import JPEGCompression
from skdeconv.estimation import estimate_noise_std
from skdeconv.estimation._correlation import noise_correlation
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


def shared(part, shape, seed=0):
    """Noise of deviation 1 of which each pixel shares a part with the next ones."""
    weight = (1 - np.sqrt(1 - 2 * part**2)) / part / 2
    kernel = np.outer([weight, 1, weight], [weight, 1, weight])
    noise = convolve(
        np.random.default_rng(seed).standard_normal(shape), kernel, mode="wrap"
    )
    return (noise / noise.std()).astype("f4")


def as_tensor(*images):
    return torch.from_numpy(np.stack(images).astype("f4"))[:, None]


def spacing_of(*tensors):
    return noise_correlation(*tensors)[0].tolist()


def test_spacing_is_found_of_each_image():
    white = np.random.default_rng(0).standard_normal(CLEAN.shape)
    images = [CLEAN + STD * demosaicked(CLEAN.shape), CLEAN + STD * white, CLEAN]
    assert spacing_of(as_tensor(*images)) == [2, 1, 1]
    wide = convolve(demosaicked(CLEAN.shape), BILINEAR, mode="wrap")
    assert spacing_of(as_tensor(CLEAN + STD / wide.std() * wide)) == [3]


@pytest.mark.parametrize("shape", [(95, 200), (256,), (16, 100, 100)])
def test_too_few_pixels_or_other_dimensions_tell_nothing(shape):
    spacing, excess = noise_correlation(torch.randn(1, 1, *shape))
    assert spacing == 1
    assert excess == 1


def test_hidden_pixels_and_textures_of_one_channel_do_not_count():
    noise = as_tensor(STD * demosaicked((256, 256)))
    weight = (torch.rand(1, 1, 256, 256) > 0.1).float()
    assert spacing_of(noise) == [2]
    assert spacing_of(noise, weight) == [1]  # leaves no block whole
    part = torch.ones_like(weight)
    part[..., :64] = 0
    assert spacing_of(noise, part) == [2]
    colours = torch.cat([noise, noise, STD * torch.randn(1, 1, 256, 256)], dim=1)
    assert spacing_of(colours) == [1]
    little = as_tensor(STD * shared(0.1, (256, 256)))
    colours = torch.cat([little, little, STD * torch.randn(1, 1, 256, 256)], dim=1)
    assert noise_correlation(torch.cat([little] * 3, dim=1))[1] > 1.05
    assert noise_correlation(colours)[1] == 1


@pytest.mark.parametrize("part", [0.1, 0.2])
def test_level_of_noise_that_is_shared_a_little(part):
    white = STD * np.random.default_rng(1).standard_normal(CLEAN.shape)
    noisy = as_tensor(CLEAN + STD * shared(part, CLEAN.shape), CLEAN + white, CLEAN)
    spacing, excess = noise_correlation(noisy)
    assert spacing.tolist() == [1, 1, 1]
    level = excess * estimate_noise_std(noisy, 2)
    assert level[0] == pytest.approx(STD, rel=0.08)
    assert excess[1:].tolist() == [1, 1]


def scores_of(restorer, noisy, white):
    """Scores when told the level of white noise, and by itself."""
    return [
        restorer.set_params(noise_std=told).fit(noisy).score(noisy, CLEAN[None])
        for told in (white, "auto")
    ]


def test_noise_that_is_shared_a_little_is_restored():
    noisy = CLEAN + STD * shared(0.2, CLEAN.shape)
    white = float(estimate_noise_std(as_tensor(noisy), 2))
    before = psnr(CLEAN[None], noisy[None], data_range=255)
    for restorer, gain in (
        (PretrainedDenoiser(data_range=255), 2),
        (WaveletRestorer(data_range=255), 1),
        (TotalVariationRestorer(data_range=255), 0.5),
    ):
        scores = scores_of(restorer, noisy[None], white)
        assert scores[1] > scores[0] + gain > before
        assert getattr(restorer, "noise_std_", STD) == pytest.approx(STD, rel=0.08)


def test_noise_that_was_compressed_is_restored():
    rng = np.random.default_rng(0)
    noisy = as_tensor(CLEAN + STD / 2 * rng.standard_normal(CLEAN.shape))
    noisy = JPEGCompression(60, data_range=255.0)(noisy)
    white = float(estimate_noise_std(noisy, 2))
    noisy = noisy[:, 0].numpy()
    for restorer, gain in (
        (PretrainedDenoiser(data_range=255), 3),
        (BlockMatchingRestorer(data_range=255), 3),
        (TotalVariationRestorer(data_range=255), 2),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            scores = scores_of(restorer, noisy, white)
        assert scores[1] > scores[0] + gain
        assert getattr(restorer, "noise_std_", 10.0) == pytest.approx(10, rel=0.1)


def test_texture_that_was_compressed_warns():
    texture = JPEGCompression(90)(as_tensor(data.gravel()[:256, :256] / 255))
    with pytest.warns(NoiseWarning, match="unsure"):
        WaveletRestorer().fit(texture[:, 0].numpy())


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
