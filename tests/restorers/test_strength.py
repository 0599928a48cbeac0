"""Strengths that choose themselves, and pixel weights, whatever the restorer."""

import pickle

import numpy as np
import pytest
import sklearn
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skdeconv import (
    BilateralRestorer,
    Degradation,
    LeastSquaresRestorer,
    MedianRestorer,
    RichardsonLucyRestorer,
    SparseCodingRestorer,
    TotalVariationRestorer,
    WienerRestorer,
)
from skdeconv.degradations import GaussianNoise
from skdeconv.operators import Blur, Mask, gaussian_psf
from skdeconv.restorers._strength import _outwards

PSF = gaussian_psf(1.0)
TUNED = [
    WienerRestorer(PSF),
    WienerRestorer(regularizer="spectrum"),
    TotalVariationRestorer(PSF),
    TotalVariationRestorer(),
    LeastSquaresRestorer(PSF),
    SparseCodingRestorer(PSF),
]
MASKED = [
    WienerRestorer(PSF),
    TotalVariationRestorer(PSF),
    LeastSquaresRestorer(PSF),
    SparseCodingRestorer(PSF),
    RichardsonLucyRestorer(PSF),
    MedianRestorer(),
]
named = {"ids": lambda r: f"{type(r).__name__}-{'psf' if r.psf is not None else ''}"}


@pytest.fixture
def images(photographs):
    rng = np.random.default_rng(0)
    truth = np.stack([p[40:80, 40:84] for p in photographs[:2]])
    return truth + rng.normal(0, 8, truth.shape).astype(np.float32), truth


@pytest.mark.parametrize("restorer", TUNED, **named)
def test_pairs_freeze_and_single_images_choose_anew(restorer, images):
    noisy, truth = images
    restorer.set_params(data_range=255)
    restorer.fit(noisy)
    assert restorer.alpha_.shape == (2,)
    assert isinstance(restorer.criterion_, str)
    assert restorer.path_["alpha"].shape == restorer.path_["criterion"].shape
    assert len(restorer.path_["alpha"]) == 2
    assert np.all(np.diff(restorer.path_["alpha"]) >= 0)
    # Each image decides for itself: alone it comes out the same.
    together, alone = (
        restorer.predict(noisy),
        restorer.fit(noisy[:1]).predict(noisy[1:]),
    )
    assert np.abs(together[1:] - alone).max() < 0.3
    restorer.fit(noisy, truth)
    assert isinstance(restorer.alpha_, float)
    assert restorer.criterion_ == "psnr"
    assert restorer.path_["criterion"].max() == pytest.approx(
        restorer.score(noisy, truth)
    )
    restorer.set_params(alpha=0.01).fit(noisy)
    assert (restorer.alpha_, restorer.criterion_, restorer.path_) == (0.01, None, None)


@pytest.mark.parametrize(
    ("scores", "seen"),
    [
        ([0, 1, 2, 5, 2, 9, 9], {2, 3, 4}),  # clear losses
        ([0, 1, 4.9, 5, 4.8, 4.7, 9], {1, 2, 3, 4, 5}),  # small ones, twice in turn
        ([9, 8, 7, 5, 6, 4, 8], {0, 1, 2, 3, 4, 5}),  # the better, the farther
        ([5, 5, 5, 5, 5, 5, 5], {0, 1, 2, 3, 4, 5, 6}),
    ],
)
def test_the_search_goes_outwards_while_it_may_get_better(scores, seen):
    assert set(_outwards(scores.__getitem__, list(range(7)))) == seen


@pytest.fixture
def chosen(monkeypatch):
    """Batch sizes that a strength was chosen for."""
    sizes, choose = [], WienerRestorer._choose

    def counted(self, x, noise_std=None, weight=None):
        sizes.append(len(x))
        return choose(self, x, noise_std, weight)

    monkeypatch.setattr(WienerRestorer, "_choose", counted)
    return sizes


def test_fit_chooses_for_the_images_that_it_saw(images, chosen):
    noisy, _ = images
    restorer = WienerRestorer(PSF, data_range=255).fit(noisy)
    first = restorer.predict(noisy)
    assert chosen == [2]
    new = noisy[:1, ::-1]
    mixed = restorer.predict(np.concatenate([new, noisy]))
    assert chosen == [2, 1]
    # The order of axes in memory and a copy elsewhere change nothing.
    again = pickle.loads(pickle.dumps(restorer)).predict(np.asfortranarray(noisy))
    assert chosen == [2, 1]
    assert np.array_equal(again, first)
    assert np.allclose(mixed[1:], first, atol=1e-3)
    assert np.allclose(mixed[:1], restorer.fit(new).predict(new), atol=1e-3)


@pytest.mark.parametrize(
    "change",
    [
        lambda r, x: r.set_params(noise_std=3.0).predict(x),
        lambda r, x: r.set_params(boundary="reflect").predict(x),
        lambda r, x: r.predict(x, psf=gaussian_psf(0.8)),
        lambda r, x: r.predict(x, mask=x > 60),
        lambda r, x: r.predict(np.nextafter(x, np.float32(300))),
        lambda r, x: r.predict(x.astype(np.float64)),
    ],
)
def test_what_has_changed_is_chosen_anew(change, images, chosen):
    noisy, _ = images
    change(WienerRestorer(PSF, data_range=255).fit(noisy), noisy)
    assert chosen == [2, 2]


@pytest.mark.parametrize("restorer", MASKED, ids=lambda r: type(r).__name__)
def test_masked_garbage_has_no_influence(restorer, images):
    noisy, _ = images
    mask = np.random.default_rng(1).random(noisy.shape) > 0.1
    restorer.set_params(data_range=255)
    answers = []
    for garbage in (0.0, 255.0):
        spoilt = np.where(mask, noisy, np.float32(garbage))
        answers.append(restorer.fit(spoilt, mask=mask).predict(spoilt, mask=mask))
    assert np.array_equal(*answers)
    colour = np.stack([noisy] * 2, axis=-1)
    restored = restorer.fit(colour, mask=mask).predict(colour, mask=mask)
    assert restored.shape == colour.shape


@pytest.mark.filterwarnings("ignore:psf does not fit the data")  # where it clips
def test_saturated_pixels_do_not_ring(photographs):
    scene = photographs[0][:90, :90].copy()
    scene[::20, ::20] = 5000  # lamps
    degrade = Degradation([Blur(PSF), GaussianNoise(1.0)], random_state=0)
    observed, truth = degrade.pair(scene[None])
    mask = observed < 255
    observed = observed.clip(0, 255)
    restorer = WienerRestorer(PSF, noise_std=1.0, data_range=255).fit(observed)
    dark = truth < 256
    with_mask, without = (
        np.square(restorer.predict(observed, mask=m)[dark] - truth[dark]).mean()
        for m in (mask, None)
    )
    assert with_mask < 0.5 * without


def test_masks_are_routed(images):
    noisy, truth = images
    mask = np.random.default_rng(1).random(noisy.shape) > 0.1
    with sklearn.config_context(enable_metadata_routing=True):
        wiener = WienerRestorer(PSF, data_range=255)
        wiener.set_fit_request(mask=True).set_transform_request(mask=True)
        tv = TotalVariationRestorer(alpha=0.01, data_range=255)
        tv.set_fit_request(mask=False).set_predict_request(mask=False)
        pipeline = make_pipeline(wiener, tv).fit(noisy, mask=mask)
        assert pipeline.predict(noisy, mask=mask).shape == noisy.shape
        wiener.set_score_request(mask=True)
        search = GridSearchCV(wiener, {"alpha": [1e-2, 1e-1]}, cv=2)
        search.fit(noisy, truth, mask=mask)
        assert search.best_score_ > 20


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.ones((2, 40, 43)), "shapes of X"),
        (np.ones((1, 40, 44)), "same number of images"),
        (np.full((2, 40, 44), 2.0), r"within \[0, 1\]"),
        (np.full((2, 40, 44), np.nan), r"within \[0, 1\]"),
        (np.zeros((2, 40, 44)), "all zero for image 0: 0 hides"),
        (np.ones((40, 44)), r"mask\[None\] for one image"),
        (np.full((2, 40, 44), "a"), "bool or numeric"),
    ],
)
def test_bad_masks(mask, message, images):
    with pytest.raises(ValueError, match=message):
        WienerRestorer(PSF, data_range=255).fit(images[0], mask=mask)


def test_masks_are_refused_where_they_would_be_ignored(images):
    mask = np.ones(images[0].shape, dtype=bool)
    with pytest.raises(ValueError, match="cannot weight pixels"):
        BilateralRestorer(data_range=255).fit(images[0], mask=mask)


def test_psf_and_operator_exclude_each_other(images):
    restorer = TotalVariationRestorer(PSF, operator=Mask(np.ones((40, 44))))
    with pytest.raises(ValueError, match="exclude each other"):
        restorer.fit(images[0])


def test_a_search_without_truth_says_how_to_score(images):
    noisy, _ = images
    search = GridSearchCV(WienerRestorer(PSF, data_range=255), {"alpha": [0.1]}, cv=2)
    with (
        pytest.warns(UserWarning, match="non-finite"),
        pytest.warns(UserWarning, match="scoring=skdeconv.estimation.risk_scorer"),
    ):
        search.fit(noisy)
    search.set_params(error_score="raise")
    with pytest.raises(ValueError, match="risk_scorer"):
        search.fit(noisy)
