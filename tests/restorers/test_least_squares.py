"""LeastSquaresRestorer on photographs."""

import numpy as np
import pytest

from skdeconv import LeastSquaresRestorer, WienerRestorer
from skdeconv.metrics import psnr
from skdeconv.operators import Downsample


@pytest.fixture
def scene(blurred):
    """Parts with the border of one corner, large enough to choose by."""
    psf, observed, truth = blurred
    return psf, *([x[:100, :100] for x in images[:2]] for images in (observed, truth))


def restorer(*arguments, **parameters):
    return LeastSquaresRestorer(*arguments, data_range=255, **parameters)


@pytest.mark.parametrize("method", ["cg", "fista"])
def test_automatic_strength_is_right_also_at_the_border(scene, border_gain, method):
    psf, observed, truth = scene
    alone = restorer(psf, method=method, nonnegative=method != "cg").fit(observed)
    assert alone.criterion_ == "sure"
    assert alone.alpha_.shape == (len(observed),)
    tuned = WienerRestorer(psf, data_range=255)
    scores = [
        tuned.set_params(alpha=a).fit(observed).score(observed, truth)
        for a in np.geomspace(1e-3, 0.1, 7)
    ]
    assert alone.score(observed, truth) > max(scores) - 0.2
    restored = alone.predict(observed)
    assert border_gain(psf, observed, truth, restored).min() > 0
    if method != "cg":
        assert min(r.min() for r in restored) >= 0


def test_pairs_and_numbers(scene):
    psf, observed, truth = scene
    taught = restorer(psf, max_iter=5).fit(observed, truth)
    assert taught.criterion_ == "psnr"
    given = restorer(psf, alpha=0.01).fit(observed)
    assert given.alpha_ == 0.01
    assert given.path_ is None


def test_iterations_regularise(scene):
    psf, observed, truth = scene
    before = psnr(truth, observed, data_range=255)
    scores = [
        restorer(psf, alpha=0, tol=0, max_iter=n).fit(observed).score(observed, truth)
        for n in (4, 100)
    ]
    assert scores[0] > before + 0.5
    assert scores[0] > scores[1]


def test_automatic_number_of_iterations(scene, border_gain):
    psf, observed, truth = scene
    stopped = restorer(psf, alpha=0, max_iter="auto")
    taught = stopped.fit(observed, truth)
    assert taught.criterion_ == "psnr"
    assert taught.alpha_ == 0
    best = max(taught.path_["criterion"][0])
    assert taught.score(observed, truth) == pytest.approx(best, abs=0.01)
    alone = stopped.fit(observed)
    assert alone.criterion_ == "sure"
    assert alone.n_iter_.shape == (len(observed),)
    assert alone.path_["max_iter"].shape == alone.path_["criterion"].shape
    assert alone.score(observed, truth) > best - 0.2
    restored = alone.predict(observed)
    assert border_gain(psf, observed, truth, restored).min() > 0
    assert len(alone.predict(observed[:1])) == 1  # chosen anew


def test_automatic_number_of_iterations_of_operators(photographs):
    clean = np.stack([p[:64, :64] for p in photographs[:1]]).astype(np.float32)
    coarse = clean.reshape(-1, 32, 2, 32, 2).mean((2, 4))
    noisy = coarse + np.random.default_rng(0).normal(0, 5, coarse.shape)
    shrink = Downsample(2, "area")
    finer = restorer(operator=shrink, alpha=0, max_iter="auto").fit(noisy)
    assert finer.criterion_ == "gcv"
    assert finer.predict(noisy).shape == clean.shape
    many = restorer(operator=shrink, alpha=0, max_iter=50, tol=0).fit(noisy)
    assert finer.score(noisy, clean) >= many.score(noisy, clean) - 0.01
    mask = np.ones(noisy.shape, dtype=bool)
    mask[:, 10:12, 20] = False
    spoiled = np.where(mask, noisy, 1e4)
    assert np.array_equal(
        finer.predict(spoiled, mask=mask), finer.predict(noisy, mask=mask)
    )


def test_super_resolution(photographs):
    clean = np.stack([p[:64, :64] for p in photographs[:1]]).astype(np.float32)
    coarse = clean.reshape(-1, 32, 2, 32, 2).mean((2, 4))
    finer = restorer(operator=Downsample(2, "area"), alpha=1e-4).fit(coarse)
    repeated = psnr(clean, coarse.repeat(2, 1).repeat(2, 2), data_range=255)
    assert finer.predict(coarse).shape == clean.shape
    assert finer.score(coarse, clean) > repeated + 0.5


def test_dead_pixels_have_no_influence(scene):
    psf, observed, _ = scene
    X = np.stack([o[:40, :40] for o in observed])
    mask = np.ones(X.shape, dtype=bool)
    mask[:, 10:12, 20] = False
    fitted = restorer(psf, alpha=0.01, max_iter=20).fit(X, mask=mask)
    expected = fitted.predict(X, mask=mask)
    assert np.array_equal(fitted.predict(np.where(mask, X, 1e4), mask=mask), expected)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"nonnegative": True}, "conjugate gradients"),
        ({"method": "newton"}, "'method' parameter"),
        ({"alpha": -1}, "'alpha' parameter"),
        ({"regularizer": "tv"}, "'regularizer' parameter"),
        ({"max_iter": "auto"}, "cannot both be 'auto'"),
    ],
)
def test_refused_parameters(parameters, message):
    with pytest.raises(ValueError, match=message):
        LeastSquaresRestorer(**parameters).fit(np.zeros((1, 20, 20)))


@pytest.mark.parametrize("method", ["cg", "fista"])
def test_periodic_images_have_no_border(scene, method):
    psf, observed = scene[0], scene[1][:1]
    options = {"alpha": 0.01, "boundary": "periodic", "data_range": 255}
    linear = WienerRestorer(psf, **options).fit(observed)
    options |= {"method": method, "tol": 0, "max_iter": 1000}
    restorer = LeastSquaresRestorer(psf, **options).fit(observed)
    restored = restorer.predict(observed)
    for ours, theirs in zip(restored, linear.predict(observed), strict=True):
        assert np.abs(ours - theirs).max() < 1
    rolled = [np.roll(image, (20, 30), (0, 1)) for image in observed]
    for ours, moved in zip(restored, restorer.predict(rolled), strict=True):
        assert np.abs(np.roll(ours, (20, 30), (0, 1)) - moved).max() < 0.1
