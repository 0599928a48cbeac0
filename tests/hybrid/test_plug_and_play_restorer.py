"""PlugAndPlayRestorer: physics with any denoiser."""

import pickle

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline

from skdeconv import (
    BlockMatchingRestorer,
    DeconvRestorer,
    Degradation,
    MedianRestorer,
    PlugAndPlayRestorer,
    PretrainedDenoiser,
    TotalVariationRestorer,
    WienerRestorer,
)
from skdeconv.datasets import load_photographs
from skdeconv.degradations import GaussianNoise
from skdeconv.metrics import psnr
from skdeconv.operators import Blur, Downsample, Mask, gaussian_psf, motion_psf
from skdeconv.restorers import BaseRestorer

CLEAN = load_photographs("test").images[1][None, 100:196, 200:296].astype(float)
PSF = motion_psf(9, angle=30)
DEGRADE = Degradation([Blur(PSF), GaussianNoise(2.55)], random_state=0)
BLURRED, SHARP = DEGRADE.pair(CLEAN)


def restorer(psf=PSF, operator=None, **parameters):
    options = {"noise_std": 2.55, "data_range": 255, "max_iter": 4} | parameters
    return PlugAndPlayRestorer(psf, operator, **options)


def test_better_than_a_filter():
    wiener = WienerRestorer(PSF, data_range=255).fit(BLURRED, SHARP)
    ours = PlugAndPlayRestorer(PSF, data_range=255).fit(BLURRED)
    assert ours.score(BLURRED, SHARP) > wiener.score(BLURRED, SHARP) + 1


@pytest.mark.parametrize(
    "denoiser",
    [
        BlockMatchingRestorer(step=6),
        TotalVariationRestorer(max_iter=50),
        PretrainedDenoiser(),
        FrozenEstimator(PretrainedDenoiser(data_range=255).fit(CLEAN)),
    ],
    ids=lambda d: type(d).__name__,
)
def test_any_denoiser(denoiser):
    ours = restorer(denoiser=denoiser).fit(BLURRED)
    before = psnr(SHARP, BLURRED, data_range=255)
    assert ours.score(BLURRED, SHARP) > before + 1.5


def test_a_trained_network_is_kept_by_clone():
    network = DeconvRestorer(
        module__width=4,
        module__noise_map=True,
        degradation=Degradation([GaussianNoise((0, 50))]),
        max_epochs=1,
        patches_per_epoch=4,
        patch_size=16,
        data_range=255,
        random_state=0,
    ).fit(CLEAN)
    twin = clone(restorer(denoiser=network, max_iter=1))
    assert twin.denoiser is network
    assert twin.fit(BLURRED).denoiser_ is network


def test_coarse_pixels():
    halve = Downsample(2)
    coarse = Degradation([halve]).fit_transform(CLEAN)
    fine = restorer(None, halve, noise_std=0.0, max_iter=8).fit(coarse).predict(coarse)
    assert fine.shape == CLEAN.shape
    repeated = coarse.repeat(2, axis=1).repeat(2, axis=2)
    gain = psnr(CLEAN, fine, data_range=255) - psnr(CLEAN, repeated, data_range=255)
    assert gain > 3


def test_missing_pixels_as_a_mask_and_as_an_operator():
    seen = np.random.default_rng(0).random(CLEAN.shape) > 0.5
    holes = np.where(seen, CLEAN, 0)
    one = restorer(None, noise_std=0.0, max_iter=12).fit(holes, mask=seen)
    filled = one.predict(holes, mask=seen)
    two = restorer(None, Mask(seen[0].astype(float)), noise_std=0.0, max_iter=12)
    assert np.allclose(filled, two.fit(holes).predict(holes), atol=0.05)
    tv = TotalVariationRestorer(data_range=255).fit(holes, mask=seen)
    tv = tv.predict(holes, mask=seen)
    assert psnr(CLEAN, filled, data_range=255) > psnr(CLEAN, tv, data_range=255) + 1
    garbage = np.where(seen, CLEAN, 255)
    assert np.allclose(one.predict(garbage, mask=seen), filled, atol=1e-3)


def test_a_psf_for_every_image():
    down = motion_psf(5, angle=90)
    images = [Degradation([Blur(k)]).fit_transform(CLEAN)[0] for k in (PSF, down)]
    fitted = restorer(noise_std=1.0).fit(images)
    both = fitted.predict(images, psf=[PSF, down])
    alone = [
        restorer(k, noise_std=1.0).fit([x]).predict([x])[0]
        for k, x in zip((PSF, down), images, strict=True)
    ]
    for a, b in zip(both, alone, strict=True):
        assert np.allclose(a, b, atol=1e-3)
    with pytest.raises(ValueError, match="one for all images or one for each"):
        fitted.predict(images, psf=[PSF] * 3)
    with pytest.raises(ValueError, match="2 axes"):
        fitted.predict(images, psf=np.ones(3) / 3)
    with pytest.raises(ValueError, match="was given no psf"):
        restorer(None).fit(images).predict(images, psf=PSF)


def test_psfs_through_a_pipeline():
    with sklearn.config_context(enable_metadata_routing=True):
        last = restorer().set_predict_request(psf=True).set_score_request(psf=True)
        pipeline = make_pipeline(MedianRestorer(size=1, data_range=255), last)
        pipeline.fit(BLURRED)
        other = gaussian_psf(1.0)
        found = pipeline.predict(BLURRED, psf=other)
    expected = restorer().fit(BLURRED).predict(BLURRED, psf=other)
    assert np.allclose(found, expected)


def test_units():
    expected = restorer().fit(BLURRED).predict(BLURRED)
    small = restorer(noise_std=2.55 / 255, data_range=1.0)
    found = small.fit(BLURRED / 255).predict(BLURRED / 255)
    assert np.allclose(255 * found, expected, atol=0.05)
    bytes_ = np.rint(BLURRED.clip(0, 255)).astype(np.uint8)
    large = bytes_.astype(np.uint16) * 257
    a = restorer(data_range=None).fit(bytes_).predict(bytes_)
    b = restorer(data_range=None, noise_std=2.55 * 257).fit(large).predict(large)
    assert np.allclose(257 * a, b, atol=0.05 * 257)


def test_colour():
    colour = np.stack([CLEAN, CLEAN[:, ::-1], CLEAN[:, :, ::-1]], axis=-1)
    blurred, sharp = DEGRADE.pair(colour)
    ours = restorer().fit(blurred)
    assert ours.score(blurred, sharp) > psnr(sharp, blurred, data_range=255) + 2


def test_noise_is_estimated():
    ours = PlugAndPlayRestorer(PSF, data_range=255).fit(BLURRED)
    assert ours.noise_std_[0] == pytest.approx(2.55, rel=0.2)


def test_turns_that_do_not_settle_are_told_of():
    """A PSF that is much too wide."""
    blurred = Degradation([Blur(gaussian_psf(0.7))]).pair(CLEAN)[0]
    wide = PlugAndPlayRestorer(gaussian_psf(2.5), noise_std=0.3, data_range=255)
    wide.fit(blurred)
    with pytest.warns(ConvergenceWarning, match="does not explain what the psf"):
        held = wide.predict(blurred)
    assert np.abs(held).max() < 1000
    assert wide.noise_std_ == 0.3


class Explosion(BaseRestorer):
    """A denoiser that is none."""

    def __init__(self, noise_std=1.0, ndim=2, data_range=None):
        self.noise_std, self.ndim, self.data_range = noise_std, ndim, data_range

    def _fit(self, images, target, weights=None):
        pass

    def _restore(self, x, noise_std=None, weight=None):
        return x * 1e3


def test_a_denoiser_that_explodes():
    ours = restorer(denoiser=Explosion()).fit(BLURRED)
    with pytest.warns(ConvergenceWarning):
        assert np.isfinite(ours.predict(BLURRED)).all()


@pytest.mark.parametrize(
    ("denoiser", "message"),
    [
        (MedianRestorer(), "has a noise_std, got MedianRestorer"),
        (BlockMatchingRestorer(PSF), "must only denoise"),
        (DeconvRestorer(), "was not trained"),
        (FrozenEstimator(PretrainedDenoiser()), "frozen, but not fitted"),
    ],
)
def test_refused_denoisers(denoiser, message):
    with pytest.raises(ValueError, match=f"denoiser.*{message}"):
        restorer(denoiser=denoiser).fit(BLURRED)


def test_pickled():
    ours = restorer().fit(BLURRED)
    again = pickle.loads(pickle.dumps(ours))
    assert np.array_equal(again.predict(BLURRED), ours.predict(BLURRED))
