"""Grey images that are stored as colours are restored as the one plane they are."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skdeconv import (
    BilateralRestorer,
    BlockMatchingRestorer,
    NonLocalMeansRestorer,
    PlugAndPlayRestorer,
    PretrainedDenoiser,
    SparseCodingRestorer,
    TotalVariationRestorer,
    WaveletRestorer,
)
from skdeconv.datasets import load_photographs
from skdeconv.estimation import make_risk_scorer

PSF = np.outer([1.0, 2, 3], [1, 4, 1]) / 36


@pytest.fixture(scope="module")
def noisy():
    clean = load_photographs("test").images[0][None, 100:148, 100:164] * 1.0
    return clean + np.random.default_rng(0).normal(0, 15, clean.shape)


def as_colour(grey):
    return np.repeat(np.asarray(grey)[..., None], 3, axis=-1)


RESTORERS = [
    BilateralRestorer(),
    BlockMatchingRestorer(),
    NonLocalMeansRestorer(),
    PretrainedDenoiser(),
    SparseCodingRestorer(),
    WaveletRestorer(),
    BlockMatchingRestorer(PSF),
    PlugAndPlayRestorer(PSF, max_iter=3),
    PlugAndPlayRestorer(PSF, max_iter=3, denoiser=WaveletRestorer()),
    TotalVariationRestorer(PSF),
]


@pytest.mark.parametrize("restorer", RESTORERS)
def test_as_the_grey_image(restorer, noisy):
    restorer.set_params(data_range=255)
    if "random_state" in restorer.get_params():
        restorer.set_params(random_state=0)
    grey = restorer.fit(noisy).predict(noisy)
    colour = as_colour(noisy)
    restored = restorer.fit(colour).predict(colour)
    assert_allclose(restored, as_colour(grey), atol=1e-3)


def test_beside_colours_and_with_masks(noisy):
    """Every image is judged by itself, and with what belongs to its pixels."""
    denoiser = PretrainedDenoiser(20.0, data_range=255)
    colours = np.stack([noisy[0], noisy[0] + 1, noisy[0, ::-1]], axis=-1)
    both = np.stack([as_colour(noisy)[0], colours])
    mask = np.random.default_rng(0).random(both.shape[:-1]) > 0.1
    restored = denoiser.fit(both).predict(both, mask)
    alone = denoiser.predict(both[1:], mask[1:])
    assert_allclose(restored[1:], alone, atol=1e-3)
    grey = denoiser.fit(noisy).predict(noisy, mask[:1])
    assert_allclose(restored[:1], as_colour(grey), atol=1e-3)


def test_masks_and_levels_of_colours(noisy):
    """Channels of one image that count differently are none."""
    colour = as_colour(noisy)
    mask = np.ones(colour.shape)
    mask[:, 10:20, 10:20, 0] = 0
    denoiser = PretrainedDenoiser(20.0, data_range=255).fit(colour)
    restored = denoiser.predict(colour, mask)
    assert np.ptp(restored, axis=-1).max() > 0.1
    levels = np.broadcast_to([10.0, 20.0, 30.0], colour.shape)
    several = denoiser.predict(colour, noise_std=levels)
    assert np.abs(several - denoiser.predict(colour)).max() > 0.1


def test_networks_of_colours_alone_see_colours(tmp_path, noisy, few_batches):
    colour = as_colour(noisy)
    pretrained = PretrainedDenoiser(20.0, data_range=255).fit(colour)
    path = tmp_path / "colour.safetensors"
    pretrained.network_.save(path)
    told = PretrainedDenoiser(20.0, weights=path, data_range=255).fit(colour)
    assert told.predict(colour).shape == colour.shape
    turns = PlugAndPlayRestorer(
        PSF, denoiser=told, max_iter=2, noise_std=20.0, data_range=255
    )
    assert turns.fit(colour).predict(colour).shape == colour.shape
    adapted = PretrainedDenoiser(20.0, max_epochs=1, random_state=0, data_range=255)
    assert adapted.fit(colour, colour).predict(colour).shape == colour.shape


def test_risk(noisy):
    """The risk of an image is that of its copies, whose noise is one."""
    risk = make_risk_scorer(15.0)
    for kind in (PretrainedDenoiser, BlockMatchingRestorer):
        restorer = kind(noise_std=15.0, data_range=255)
        grey = risk(restorer.fit(noisy), noisy)
        colour = as_colour(noisy)
        assert risk(restorer.fit(colour), colour) == pytest.approx(grey, abs=0.01)
