"""RichardsonLucyRestorer on photographs and counts."""

import numpy as np
import pytest
from skimage import data

from skdeconv import Degradation, RichardsonLucyRestorer
from skdeconv.degradations import GaussianNoise, PoissonNoise
from skdeconv.metrics import psnr
from skdeconv.operators import Blur, gaussian_psf, motion_psf


def test_better_than_the_input_also_at_the_border(blurred, border_gain):
    psf, observed, truth = blurred
    restorer = RichardsonLucyRestorer(psf, data_range=255).fit(observed)
    before = psnr(truth, observed, data_range=255)
    assert restorer.score(observed, truth) > before + 0.5
    assert border_gain(psf, observed, truth, restorer.predict(observed)).min() > 0


def test_many_iterations_leave_no_edge_artefact(photographs, border_gain):
    psf = gaussian_psf(1.6)
    X = np.stack([p[:140, :140] for p in photographs])
    observed, truth = Degradation([Blur(psf)]).pair(X)
    restorer = RichardsonLucyRestorer(psf, max_iter=50, data_range=255).fit(observed)
    assert border_gain(psf, observed, truth, restorer.predict(observed)).min() > 1


@pytest.mark.parametrize("acceleration", [True, False])
@pytest.mark.parametrize("dtype", [np.uint16, np.float32, np.float64])
def test_counts_of_any_size(acceleration, dtype):
    rng = np.random.default_rng(0)
    counts = np.zeros((3, 40, 40), dtype=dtype)
    counts[0, 20, 20] = 60000
    counts[1, 10:14] = rng.poisson(3, (4, 40))
    restorer = RichardsonLucyRestorer(
        gaussian_psf(1.2), max_iter=60, acceleration=acceleration, data_range=65535
    )
    restored = restorer.fit(counts).predict(counts)
    assert np.isfinite(restored).all()
    assert restored.min() >= 0
    assert not restored[2].any()
    assert restored[0].max() > 0.9 * counts[0].max()


def test_negative_data_count_as_zero():
    X = np.random.default_rng(0).normal(0.2, 0.5, (2, 24, 24))
    restorer = RichardsonLucyRestorer(gaussian_psf(1), max_iter=10, data_range=1.0)
    restored = restorer.fit(X).predict(X)
    assert np.allclose(restored, restorer.predict(X.clip(0)))


def test_tolerance_and_budget():
    X = np.random.default_rng(0).random((2, 24, 24))
    free = RichardsonLucyRestorer(gaussian_psf(1), max_iter=40).fit(X)
    tied = RichardsonLucyRestorer(gaussian_psf(1), max_iter=40, tol=0.5).fit(X)
    assert free.n_iter_ == 40
    assert not np.allclose(free.predict(X), tied.predict(X))


@pytest.fixture(scope="module")
def counts(photographs):
    psf = gaussian_psf(1.6)
    X = np.stack([p[:110, :110] for p in photographs])
    degrade = Degradation([Blur(psf), PoissonNoise(1.0)], random_state=0)
    return psf, *degrade.pair(X)


def test_iterations_from_pairs_are_those_of_the_best_score(counts):
    psf, observed, truth = counts
    restorer = RichardsonLucyRestorer(psf, data_range=255).fit(observed, truth)
    assert isinstance(restorer.n_iter_, int)
    assert restorer.criterion_ == "psnr"
    curve, steps = restorer.path_["criterion"][0], restorer.path_["max_iter"][0]
    assert curve.argmax() == restorer.n_iter_ - 1
    assert np.isclose(restorer.score(observed, truth), curve.max(), atol=1e-3)
    for i in (0, 20):
        fixed = RichardsonLucyRestorer(psf, max_iter=int(steps[i]), data_range=255)
        score = fixed.fit(observed).score(observed, truth)
        assert np.isclose(score, curve[i], atol=1e-3)


def test_iterations_of_each_image_without_pairs(counts):
    psf, observed, truth = counts
    restorer = RichardsonLucyRestorer(psf, data_range=255).fit(observed)
    assert restorer.criterion_ == "risk"
    assert restorer.n_iter_.shape == (len(observed),)
    assert restorer.n_iter_.dtype.kind == "i"
    path = restorer.path_
    assert path["criterion"].shape == path["max_iter"].shape
    assert np.array_equal(np.nanargmin(path["criterion"], 1) + 1, restorer.n_iter_)
    assert restorer.score(observed, truth) > psnr(truth, observed, data_range=255) + 1
    # Another image has its own noise, whatever fit has seen.
    clean = Degradation([Blur(psf), GaussianNoise(0.5)], random_state=0)
    X, y = clean.pair(truth)
    assert restorer.score(X, y) > psnr(y, X, data_range=255) + 2
    fixed = RichardsonLucyRestorer(psf, max_iter=7, data_range=255).fit(observed)
    assert (fixed.n_iter_, fixed.criterion_, fixed.path_) == (7, None, None)


@pytest.mark.parametrize("noise", [GaussianNoise(7.65), PoissonNoise(2.0)])
def test_automatic_iterations_help_at_the_border(photographs, border_gain, noise):
    psf = gaussian_psf(1.6)
    X = np.stack([p[60:120, 60:120] for p in photographs])
    observed, truth = Degradation([Blur(psf), noise], random_state=0).pair(X)
    for y in (None, truth):
        restorer = RichardsonLucyRestorer(psf, data_range=255).fit(observed, y)
        restored = restorer.predict(observed)
        assert border_gain(psf, observed, truth, restored).min() > 0


def test_dead_pixels_do_not_count(counts):
    psf, observed, truth = counts
    rng = np.random.default_rng(0)
    mask = rng.random(observed.shape) > 0.03
    spoiled = np.where(mask, observed, 10000)
    restorer = RichardsonLucyRestorer(psf, data_range=255)
    for y in (None, truth):
        score = restorer.fit(observed, y).score(observed, truth)
        masked = restorer.fit(spoiled, y, mask=mask)
        assert masked.score(spoiled, truth, mask=mask) > score - 0.5
        restored = masked.predict(spoiled, mask=mask)
        other = np.where(mask, observed, -1e6)
        assert np.array_equal(masked.predict(other, mask=mask), restored)


def test_background_is_not_in_the_answer(counts):
    psf, observed, truth = counts
    plain = RichardsonLucyRestorer(psf, data_range=255, max_iter=8)
    lifted = RichardsonLucyRestorer(psf, data_range=255, max_iter=8, background=100)
    score = plain.fit(observed).score(observed, truth)
    assert lifted.fit(observed + 100).score(observed + 100, truth) > score - 0.5


def test_total_variation_saves_what_iterations_spoil(counts):
    psf, observed, truth = counts
    free, held = (
        RichardsonLucyRestorer(psf, max_iter=60, tv_weight=weight, data_range=255)
        .fit(observed)
        .score(observed, truth)
        for weight in (0, 0.01)
    )
    assert held > free + 3


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"psf": None}, "'psf' parameter"),
        ({"max_iter": 0}, "'max_iter' parameter"),
        ({"max_iter": "best"}, "'max_iter' parameter"),
        ({"tv_weight": -1}, "'tv_weight' parameter"),
        ({"background": -1}, "'background' parameter"),
        ({"tol": -1}, "'tol' parameter"),
        ({"acceleration": "biggs"}, "'acceleration' parameter"),
    ],
)
def test_refused_parameters(parameters, message):
    parameters = {"psf": gaussian_psf(1)} | parameters
    with pytest.raises(ValueError, match=message):
        RichardsonLucyRestorer(**parameters).fit(np.zeros((1, 20, 20)))


@pytest.mark.parametrize("std", [0.5, 1.0])
def test_texture_that_a_directed_blur_leaves_is_not_noise(std):
    psf = motion_psf(11, angle=30)
    scene = data.page()[20:150, 100:230].astype(np.float32)
    degrade = Degradation([Blur(psf), GaussianNoise(std)], random_state=0)
    observed, truth = degrade.pair(scene[None])
    restorer = RichardsonLucyRestorer(psf, data_range=255).fit(observed.clip(0))
    best = RichardsonLucyRestorer(psf, data_range=255).fit(observed.clip(0), truth)
    gap = best.score(observed.clip(0), truth) - restorer.score(observed.clip(0), truth)
    assert gap < 1.0


def test_tol_is_for_numbers_of_iterations(blurred):
    psf, observed, truth = blurred[0], blurred[1][:1], blurred[2][:1]
    for y in (None, truth):
        exact, rough = (
            RichardsonLucyRestorer(psf, tol=tol, data_range=255).fit(observed, y)
            for tol in (0, 0.5)
        )
        assert np.array_equal(exact.predict(observed), rough.predict(observed))


def test_weights_count_among_each_other(blurred):
    psf, observed, _ = blurred
    restorer = RichardsonLucyRestorer(psf, max_iter=5, data_range=255).fit(observed)
    whole, small = (
        restorer.predict(observed, mask=[np.full(x.shape, w) for x in observed])
        for w in (1, 1e-5)
    )
    for a, b in zip(small, whole, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3)
