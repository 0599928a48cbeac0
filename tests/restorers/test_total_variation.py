"""TotalVariationRestorer on photographs."""

import numpy as np
import pytest

from skdeconv import Degradation, TotalVariationRestorer
from skdeconv.degradations import GaussianNoise
from skdeconv.metrics import psnr
from skdeconv.operators import Blur, Downsample, Mask, gaussian_psf


@pytest.fixture(scope="module")
def clean(photographs):
    return np.stack([p[:64, :64] for p in photographs[:2]]).astype(np.float32)


@pytest.fixture(scope="module")
def noisy(clean):
    noise = np.random.default_rng(0).normal(0, 20, clean.shape)
    return clean + noise.astype(np.float32)


@pytest.fixture
def scene(blurred):
    """A part of what was observed, with the border of one corner."""
    psf, observed, truth = blurred
    return psf, *([x[:80, :80] for x in images[:2]] for images in (observed, truth))


def restorer(*arguments, **parameters):
    return TotalVariationRestorer(*arguments, data_range=255, **parameters)


def best(make, observed, truth):
    """Best mean PSNR on a grid of strengths."""
    grid = np.geomspace(3e-3, 0.5, 8)
    return max(make(alpha=a).fit(observed).score(observed, truth) for a in grid)


@pytest.mark.parametrize("noise_std", ["auto", 20.0])
def test_denoising_at_the_automatic_strength(noisy, clean, noise_std):
    alone = restorer(noise_std=noise_std).fit(noisy)
    assert alone.criterion_ == ("gcv" if noise_std == "auto" else "sure")
    assert alone.alpha_.shape == (len(noisy),)
    assert alone.path_["alpha"].shape == alone.path_["criterion"].shape
    assert (np.diff(alone.path_["alpha"]) >= 0).all()
    assert alone.score(noisy, clean) > best(restorer, noisy, clean) - 0.15


def test_pairs_freeze_the_best_strength(noisy, clean):
    taught = restorer().fit(noisy, clean)
    assert taught.criterion_ == "psnr"
    assert isinstance(taught.alpha_, float)
    assert taught.score(noisy, clean) > best(restorer, noisy, clean) - 0.05


def test_deblurring_is_right_at_the_border(scene, border_gain):
    psf, observed, truth = scene
    alone = restorer(psf).fit(observed)
    before = psnr(truth, observed, data_range=255)
    assert alone.score(observed, truth) > before + 1
    assert border_gain(psf, observed, truth, alone.predict(observed)).min() > 0


def test_deblurring_without_any_noise(photographs):
    psf = np.ones((1, 9)) / 9
    blurred, sharp = Degradation([Blur(psf)]).pair(np.float32(photographs[:1]))
    restored = restorer(psf).fit(blurred).predict(blurred)
    before, after = (psnr(sharp, x, data_range=255) for x in (blurred, restored))
    assert after > before + 10


def test_choice_depends_on_nothing_but_the_image(noisy):
    together = restorer().fit(noisy)
    alone = restorer().fit(noisy[1:])
    assert np.allclose(alone.alpha_, together.alpha_[1:], rtol=1e-5)
    assert np.allclose(alone.predict(noisy[1:]), together.predict(noisy)[1:], atol=1e-2)


@pytest.mark.parametrize("boundary", ["extended", "reflect", "periodic"])
def test_boundaries(noisy, boundary):
    X = noisy[:, :24, :26]
    restored = restorer(gaussian_psf(0.7), alpha=0.01, boundary=boundary).fit(X)
    assert restored.predict(X).shape == X.shape


def test_inpainting_beats_the_neighbourhood(clean):
    seen = np.random.default_rng(0).random(clean.shape[1:]) < 0.5
    observed = np.where(seen, clean, 0)
    filled = restorer(operator=Mask(seen), alpha=1e-3).fit(observed)
    assert filled.score(observed, clean) > 23
    routed = restorer(alpha=1e-3)
    mask = np.broadcast_to(seen, observed.shape)
    routed.fit(observed, mask=mask)
    again = routed.predict(observed, mask=mask)
    assert np.abs(again - filled.predict(observed)).mean() < 1
    garbage = np.where(seen, clean, 1e4)
    assert np.allclose(routed.predict(garbage, mask=mask), again)


def test_super_resolution_beats_repetition(clean):
    shrink = Downsample(2, "area")
    coarse = clean.reshape(-1, 32, 2, 32, 2).mean((2, 4))
    coarse = coarse + np.random.default_rng(0).normal(0, 2, coarse.shape)
    finer = restorer(operator=shrink, max_iter=150).fit(coarse)
    repeated = coarse.repeat(2, 1).repeat(2, 2)
    assert finer.predict(coarse).shape == clean.shape
    assert finer.criterion_ == "gcv"
    gain = finer.score(coarse, clean) - psnr(clean, repeated, data_range=255)
    assert gain > 0.3


def test_an_extended_blur_as_operator_is_a_psf(clean):
    psf = gaussian_psf(1.0)
    degrade = Degradation([Blur(psf), GaussianNoise(2)], random_state=0)
    observed, truth = degrade.pair(clean)
    given = restorer(operator=Blur(psf, "extended"), alpha=3e-3).fit(observed)
    framed = restorer(psf, alpha=3e-3).fit(observed)
    assert np.allclose(given.predict(observed), framed.predict(observed))
    assert framed.score(observed, truth) > psnr(truth, observed, data_range=255)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"alpha": -1}, "'alpha' parameter"),
        ({"alpha": "gcv"}, "'alpha' parameter"),
        ({"noise_std": 0}, "'noise_std' parameter"),
        ({"operator": "blur"}, "'operator' parameter"),
        ({"psf": np.ones((3, 3)), "operator": Downsample(2)}, "exclude each other"),
    ],
)
def test_refused_parameters(parameters, message):
    with pytest.raises(ValueError, match=message):
        TotalVariationRestorer(**parameters).fit(np.zeros((1, 20, 20)))
