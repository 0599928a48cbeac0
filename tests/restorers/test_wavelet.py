"""WaveletRestorer: noise levels and gain on photographs."""

import numpy as np
import pytest

from skdeconv import WaveletRestorer
from skdeconv.metrics import psnr


def noisy_copies(photographs, sigma=25):
    rng = np.random.default_rng(0)
    return [p + rng.normal(0, sigma, p.shape).astype(np.float32) for p in photographs]


def test_gain_with_an_estimated_level(photographs):
    noisy = noisy_copies(photographs)
    restorer = WaveletRestorer(data_range=255).fit(noisy)
    assert restorer.noise_std_.shape == (3,)
    assert np.allclose(restorer.noise_std_, 25, rtol=0.15)
    before = psnr(photographs, noisy, data_range=255)
    assert restorer.score(noisy, photographs) > before + 7


def test_pairs_tell_the_level(photographs):
    noisy = noisy_copies(photographs)
    restorer = WaveletRestorer(data_range=255).fit(noisy, photographs)
    assert restorer.noise_std_ == pytest.approx(25, rel=0.02)


def test_level_of_new_images_is_estimated_anew(photographs):
    noisy, noisier = (noisy_copies(photographs[:1], s) for s in (5, 40))
    fitted = WaveletRestorer(data_range=255).fit(noisy)
    again = WaveletRestorer(data_range=255).fit(noisier)
    assert np.array_equal(fitted.predict(noisier)[0], again.predict(noisier)[0])


def test_given_level_is_used():
    X = np.random.default_rng(0).random((1, 16, 17))
    untouched = WaveletRestorer(noise_std=0.0).fit(X)
    assert untouched.noise_std_ == 0
    assert np.allclose(untouched.predict(X), X)
    assert WaveletRestorer(noise_std=1.0).fit(X).predict(X).std() < 0.5 * X.std()


@pytest.mark.parametrize(
    "parameter",
    [
        {"wavelet": "sym4"},
        {"levels": 0},
        {"shrinkage": "hard"},
        {"strength": -1},
        {"shifts": 0},
    ],
)
def test_refused_parameters(parameter):
    with pytest.raises(ValueError, match="parameter of WaveletRestorer"):
        WaveletRestorer(**parameter).fit(np.zeros((1, 9, 9)))


def test_more_shifts_leave_less_noise(photographs):
    noisy = noisy_copies(photographs)
    scores = [
        WaveletRestorer(noise_std=25.0, shifts=n, data_range=255)
        .fit(noisy)
        .score(noisy, photographs)
        for n in (1, 4, "all")
    ]
    before = psnr(photographs, noisy, data_range=255)
    assert before + 5 < scores[0] < scores[1] < scores[2]


def test_colour_is_smoother_than_brightness(photographs):
    grey = photographs[0]
    colour = np.stack([grey] * 3, axis=-1)
    noisy = colour + np.random.default_rng(0).normal(0, 25, colour.shape)
    restorer = WaveletRestorer(noise_std=25.0, data_range=255)
    together = restorer.fit(noisy[None]).score(noisy[None], colour[None])
    alone = restorer.fit(noisy[None, ..., 0]).score(noisy[None, ..., 0], grey[None])
    assert together > alone + 1
