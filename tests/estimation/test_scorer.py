"""The scorer that needs no truth."""

import numpy as np
import pytest
from sklearn import config_context
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skdeconv import (
    Degradation,
    LeastSquaresRestorer,
    MedianRestorer,
    RichardsonLucyRestorer,
    TotalVariationRestorer,
    WienerRestorer,
)
from skdeconv.datasets import load_photographs
from skdeconv.degradations import GaussianNoise
from skdeconv.estimation import make_risk_scorer, risk_scorer
from skdeconv.metrics import psnr
from skdeconv.operators import Blur, Mask, gaussian_psf

PSF = gaussian_psf(1.2)


@pytest.fixture(scope="module")
def pair():
    images = np.stack([p[60:150, 60:150] for p in load_photographs("test").images[:2]])
    degrade = Degradation([Blur(PSF), GaussianNoise(5.0)], random_state=0)
    return degrade.pair(images.astype(np.float32))


def test_search_without_truth_finds_a_good_strength(pair):
    observed, truth = pair
    grid = {"alpha": np.logspace(-4, 1, 11)}
    search = GridSearchCV(
        WienerRestorer(PSF, data_range=255), grid, scoring=risk_scorer, cv=2
    ).fit(observed)
    best = max(
        WienerRestorer(PSF, alpha=a, data_range=255)
        .fit(observed)
        .score(observed, truth)
        for a in grid["alpha"]
    )
    assert search.best_estimator_.score(observed, truth) > best - 0.6


def test_without_blur_it_estimates_the_psnr():
    truth = load_photographs("test").images[0][50:150, 50:150].astype(float)[None]
    noisy = truth + np.random.default_rng(0).normal(0, 20, truth.shape)
    restorer = WienerRestorer(alpha=0.3, data_range=255).fit(noisy)
    estimate = make_risk_scorer(noise_std=20)(restorer, noisy)
    assert estimate == pytest.approx(restorer.score(noisy, truth), abs=0.4)


def test_kinds_of_images(pair):
    observed, _ = pair
    scores = []
    for X in (
        observed,
        list(observed),
        np.rint(observed.clip(0, 255)).astype(np.uint8),
    ):
        restorer = WienerRestorer(PSF, alpha=0.03, data_range=255).fit(X)
        scores.append(risk_scorer(restorer, X))
    assert scores[0] == scores[1]
    assert np.ptp(scores) < 0.5


def test_looks_into_pipelines(pair):
    observed, truth = pair
    pipeline = make_pipeline(
        WienerRestorer(PSF, data_range=255), TotalVariationRestorer(data_range=255)
    ).fit(observed)
    assert np.isfinite(risk_scorer(pipeline, observed))
    assert psnr(truth, pipeline.predict(observed), data_range=255) > 20


def test_dead_pixels_do_not_count(pair):
    observed, _ = pair
    mask = np.random.default_rng(1).random(observed.shape) < 0.9
    broken = np.where(mask, observed, 0)
    restorer = WienerRestorer(PSF, alpha=0.03, data_range=255).fit(observed)
    whole = risk_scorer(restorer, observed)
    assert risk_scorer(restorer, broken, mask=mask) == pytest.approx(whole, abs=2)
    assert risk_scorer(restorer, broken) < whole - 5


def test_mask_is_routed(pair):
    observed, _ = pair
    mask = np.random.default_rng(1).random(observed.shape) < 0.9
    broken = np.where(mask, observed, 0)
    grid = {"alpha": [1e-4, 0.03]}
    with config_context(enable_metadata_routing=True):
        restorer = WienerRestorer(PSF, data_range=255).set_fit_request(mask=True)
        search = GridSearchCV(restorer, grid, scoring=risk_scorer, cv=2)
        search.fit(broken, mask=mask)
    assert search.best_params_ == {"alpha": 0.03}
    expected = risk_scorer(search.best_estimator_, broken, mask=mask)
    assert search.best_score_ == pytest.approx(expected, abs=0.5)


def test_a_background_is_part_of_the_model(pair):
    observed = pair[0].clip(0)
    restorer = RichardsonLucyRestorer(PSF, max_iter=10, data_range=255)
    expected = risk_scorer(restorer.fit(observed), observed)
    restorer.set_params(background=100.0).fit(observed + 100)
    assert risk_scorer(restorer, observed + 100) == pytest.approx(expected, abs=1.0)


@pytest.mark.parametrize("noise_std", [-1, "auto", True, float("inf")])
def test_refused_noise_levels(noise_std):
    with pytest.raises(ValueError, match="noise_std must be a non-negative number"):
        make_risk_scorer(noise_std)


def test_images_that_cannot_be_nudged_are_refused():
    images = np.random.default_rng(0).random((1, 20, 20)) > 0.5
    with pytest.raises(ValueError, match="got bool"):
        risk_scorer(MedianRestorer().fit(images), images)


@pytest.mark.parametrize("hidden", [500.0, -1e6])
def test_hidden_values_do_not_count(pair, hidden):
    observed, _ = pair
    seen = np.random.default_rng(0).random(observed.shape[1:]) > 0.2
    holes, junk = np.where(seen, observed, 0), np.where(seen, observed, hidden)
    restorer = LeastSquaresRestorer(operator=Mask(seen), alpha=0.1, data_range=255)
    expected = risk_scorer(restorer.fit(holes), holes)
    assert risk_scorer(restorer, junk) == pytest.approx(expected, abs=1e-3)
    mask = np.broadcast_to(seen, observed.shape)
    restorer = WienerRestorer(alpha=0.1, data_range=255).fit(observed, mask=mask)
    expected = risk_scorer(restorer, holes, mask=mask)
    assert risk_scorer(restorer, junk, mask=mask) == pytest.approx(expected, abs=1e-3)


def test_the_order_of_images_does_not_matter(pair):
    observed, _ = pair
    restorer = WienerRestorer(PSF, data_range=255).fit(observed)
    expected = risk_scorer(restorer, observed)
    assert risk_scorer(restorer, observed[::-1]) == pytest.approx(expected, abs=1e-2)
