"""WienerRestorer on photographs."""

import numpy as np
import pytest
from skimage import data
from skimage.restoration import wiener as skimage_wiener
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV

from skdeconv import Degradation, WienerRestorer
from skdeconv.degradations import GaussianNoise
from skdeconv.metrics import psnr
from skdeconv.operators import Blur, gaussian_psf, motion_psf


def test_better_than_the_input_also_at_the_border(blurred, border_gain):
    psf, observed, truth = blurred
    restorer = WienerRestorer(psf, data_range=255).fit(observed)
    before = psnr(truth, observed, data_range=255)
    assert restorer.score(observed, truth) > before + 1
    assert border_gain(psf, observed, truth, restorer.predict(observed)).min() > 0


def test_a_told_noise_level_counts_beside_pairs(blurred):
    psf, observed, truth = blurred
    weak, strong = (
        WienerRestorer(
            psf, alpha=1.0, regularizer="spectrum", noise_std=level, data_range=255
        ).fit(observed, truth)
        for level in (2.0, 60.0)
    )
    detail = [np.diff(r.predict(observed)[0]).std() for r in (weak, strong)]
    assert detail[0] > 1.1 * detail[1]


def test_tuned_strength_is_better_still(blurred, border_gain):
    psf, observed, truth = blurred
    search = GridSearchCV(
        WienerRestorer(psf, data_range=255), {"alpha": np.logspace(-4, 0, 9)}, cv=3
    ).fit(observed, truth)
    fixed = WienerRestorer(psf, alpha=3e-2, data_range=255).fit(observed)
    assert search.score(observed, truth) >= fixed.score(observed, truth) - 1e-6
    assert border_gain(psf, observed, truth, search.predict(observed)).min() > 0


def test_agrees_with_skimage_where_borders_are_periodic():
    rng = np.random.default_rng(0)
    image = rng.random((32, 30))
    psf = np.pad(rng.random((3, 3)), 1)
    expected = skimage_wiener(image, psf / psf.sum(), 0.05, clip=False)
    restorer = WienerRestorer(psf / psf.sum(), alpha=0.05, boundary="periodic")
    assert np.allclose(restorer.fit(image[None]).predict(image[None])[0], expected)


@pytest.mark.parametrize("boundary", ["extended", "reflect", "periodic"])
def test_delta_returns_the_image_as_alpha_vanishes(boundary):
    X = np.random.default_rng(0).random((2, 20, 22))
    delta = np.zeros((3, 3))
    delta[1, 1] = 1
    restorer = WienerRestorer(delta, alpha=1e-9, boundary=boundary).fit(X)
    assert np.allclose(restorer.predict(X), X, atol=1e-5)


def test_without_psf_it_denoises(photographs):
    rng = np.random.default_rng(0)
    noisy = [p + rng.normal(0, 25, p.shape).astype(np.float32) for p in photographs]
    restorer = WienerRestorer(alpha=0.3, data_range=255).fit(noisy)
    before = psnr(photographs, noisy, data_range=255)
    assert restorer.score(noisy, photographs) > before + 4


def test_unsettled_iterations_warn(monkeypatch, photographs):
    monkeypatch.setattr("skdeconv.restorers._wiener.MAX_ITER", 2)
    X = photographs[0][None]
    restorer = WienerRestorer(motion_psf(25, 20), alpha=1e-5, data_range=255).fit(X)
    with pytest.warns(ConvergenceWarning, match="did not converge in 2"):
        restorer.predict(X)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"alpha": 0}, "'alpha' parameter"),
        ({"alpha": "best"}, "'alpha' parameter"),
        ({"regularizer": "tv"}, "'regularizer' parameter"),
        ({"boundary": "zero"}, "'boundary' parameter"),
        ({"data_range": -1}, "'data_range' parameter"),
        ({"ndim": 4, "psf": None}, "'ndim' parameter"),
    ],
)
def test_refused_parameters(parameters, message):
    parameters = {"psf": gaussian_psf(1)} | parameters
    with pytest.raises(ValueError, match=message):
        WienerRestorer(**parameters).fit(np.zeros((1, 20, 20)))


@pytest.mark.parametrize("boundary", ["reflect", "periodic"])
def test_masks_need_a_scene_beyond_the_frame(boundary):
    images = np.ones((1, 20, 20))
    with pytest.raises(ValueError, match="mask needs boundary='extended'"):
        WienerRestorer(boundary=boundary).fit(images, mask=images)


@pytest.mark.parametrize("boundary", ["reflect", "extended", "periodic"])
def test_constant_images_need_no_iterations(boundary):
    flat = np.full((1, 40, 40), 0.2, np.float32)
    restorer = WienerRestorer(motion_psf(9, angle=20), alpha=0.01, boundary=boundary)
    np.testing.assert_array_equal(restorer.fit(flat).predict(flat), flat)


def loss(restorer, observed, sharp):
    """Decibels below the best strength."""
    alphas = 10.0 ** np.arange(-5, 2, 0.5)
    best = max(
        clone(restorer).set_params(alpha=alpha).fit(observed).score(observed, sharp)
        for alpha in alphas
    )
    return best - restorer.fit(observed).score(observed, sharp)


@pytest.mark.parametrize("texture", [data.brick, data.grass, data.coins])
@pytest.mark.parametrize("std", [0.3, 1.0])
def test_little_noise_under_motion(texture, std):
    """Directions differ, in what the blur leaves and in the texture."""
    scene = texture()[100:220, 100:220].astype(np.float64)
    psf = motion_psf(9, angle=30)
    steps = [Blur(psf), GaussianNoise(std)]
    observed, sharp = Degradation(steps, random_state=0).pair(scene[None])
    assert loss(WienerRestorer(psf, data_range=255), observed, sharp) < 0.6
    told = WienerRestorer(psf, noise_std=std, data_range=255)
    assert loss(told, observed, sharp) < 0.4


def test_signals():
    t = np.linspace(0, 1, 512)
    steps = np.cumsum(np.random.default_rng(1).standard_normal(12))
    clean = steps[np.searchsorted(np.linspace(0.05, 0.95, 11), t)]
    peaks = np.exp(-((t[:, None] - np.linspace(0.1, 0.9, 7)) ** 2) / 2e-4).sum(1)
    box = np.ones(9) / 9
    for signal in (clean / np.ptp(clean), peaks):
        degrade = Degradation([Blur(box), GaussianNoise(0.02)], random_state=0, ndim=1)
        observed, sharp = degrade.pair(signal[None])
        restorer = WienerRestorer(box, noise_std=0.02, data_range=1)
        assert loss(restorer, observed, sharp) < 0.7


@pytest.mark.parametrize("level", [0.0, "auto"])
@pytest.mark.parametrize("digits", [0, 6])
def test_spectra_and_no_noise(photographs, level, digits):
    psf = gaussian_psf(1.6)
    observed, truth = Degradation([Blur(psf)]).pair(
        [p[:140, :140] for p in photographs]
    )
    observed = [np.round(x, digits) for x in observed]
    restorer = WienerRestorer(
        psf, regularizer="spectrum", noise_std=level, data_range=255
    )
    before = psnr(truth, observed, data_range=255)
    assert restorer.fit(observed).score(observed, truth) > before + 2
