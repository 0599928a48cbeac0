"""NonLocalMeansRestorer: noise levels and gain on photographs."""

import numpy as np
import pytest

from skdeconv import NonLocalMeansRestorer
from skdeconv.metrics import psnr


def noisy_copies(photographs, sigma=25):
    rng = np.random.default_rng(0)
    return [p + rng.normal(0, sigma, p.shape).astype(np.float32) for p in photographs]


def test_gain_with_an_estimated_level(photographs):
    noisy = noisy_copies(photographs)
    restorer = NonLocalMeansRestorer(data_range=255).fit(noisy)
    assert restorer.noise_std_.shape == (3,)
    assert np.allclose(restorer.noise_std_, 25, rtol=0.15)
    before = psnr(photographs, noisy, data_range=255)
    assert restorer.score(noisy, photographs) > before + 7


def test_pairs_tell_the_level(photographs):
    noisy = noisy_copies(photographs)
    restorer = NonLocalMeansRestorer(data_range=255).fit(noisy, photographs)
    assert restorer.noise_std_ == pytest.approx(25, rel=0.02)


def test_level_of_new_images_is_estimated_anew(photographs):
    noisy, noisier = (noisy_copies(photographs[:1], s) for s in (5, 40))
    fitted = NonLocalMeansRestorer(data_range=255).fit(noisy)
    again = NonLocalMeansRestorer(data_range=255).fit(noisier)
    assert np.array_equal(fitted.predict(noisier)[0], again.predict(noisier)[0])


def test_given_level_is_used():
    X = np.random.default_rng(0).random((1, 16, 17))
    untouched = NonLocalMeansRestorer(noise_std=0.0).fit(X)
    assert untouched.noise_std_ == 0
    assert np.allclose(untouched.predict(X), X)
    assert NonLocalMeansRestorer(noise_std=1.0).fit(X).predict(X).std() < 0.5 * X.std()


@pytest.mark.parametrize(
    "parameter",
    [{"noise_std": "x"}, {"search_radius": 0}, {"strength": 0}, {"refine": None}],
)
def test_refused_parameters(parameter):
    with pytest.raises(ValueError, match="parameter of NonLocalMeansRestorer"):
        NonLocalMeansRestorer(**parameter).fit(np.zeros((1, 9, 9)))


def test_even_patches_are_refused():
    with pytest.raises(ValueError, match="patch_size must be odd, got 4"):
        NonLocalMeansRestorer(patch_size=4).fit(np.zeros((1, 9, 9)))
