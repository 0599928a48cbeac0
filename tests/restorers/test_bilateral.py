"""BilateralRestorer: noise levels and gain on photographs."""

import numpy as np
import pytest

from skdeconv import BilateralRestorer
from skdeconv.metrics import psnr


def noisy_copies(photographs, sigma=25):
    rng = np.random.default_rng(0)
    return [p + rng.normal(0, sigma, p.shape).astype(np.float32) for p in photographs]


def test_gain_with_an_estimated_level(photographs):
    noisy = noisy_copies(photographs)
    restorer = BilateralRestorer(data_range=255).fit(noisy)
    assert restorer.noise_std_.shape == (3,)
    assert np.allclose(restorer.noise_std_, 25, rtol=0.15)
    before = psnr(photographs, noisy, data_range=255)
    assert restorer.score(noisy, photographs) > before + 6


def test_pairs_tell_the_level(photographs):
    noisy = noisy_copies(photographs)
    restorer = BilateralRestorer(data_range=255).fit(noisy, photographs)
    assert restorer.noise_std_ == pytest.approx(25, rel=0.02)


def test_level_of_new_images_is_estimated_anew(photographs):
    noisy, noisier = (noisy_copies(photographs[:1], s) for s in (5, 40))
    fitted = BilateralRestorer(data_range=255).fit(noisy)
    again = BilateralRestorer(data_range=255).fit(noisier)
    assert np.array_equal(fitted.predict(noisier)[0], again.predict(noisier)[0])


def test_given_level_is_used():
    X = np.random.default_rng(0).random((1, 16, 17))
    untouched = BilateralRestorer(noise_std=0.0).fit(X)
    assert untouched.noise_std_ == 0
    assert np.allclose(untouched.predict(X), X)
    assert BilateralRestorer(noise_std=1.0).fit(X).predict(X).std() < 0.5 * X.std()


@pytest.mark.parametrize(
    "parameter", [{"noise_std": -1}, {"strength": -1}, {"spatial_std": 0}]
)
def test_refused_parameters(parameter):
    with pytest.raises(ValueError, match="parameter of BilateralRestorer"):
        BilateralRestorer(**parameter).fit(np.zeros((1, 9, 9)))
