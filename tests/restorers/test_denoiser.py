"""noise_std="auto" says when it cannot know."""

import numpy as np
import pytest
from skimage import data

from skdeconv import (
    LeastSquaresRestorer,
    RichardsonLucyRestorer,
    SparseCodingRestorer,
    WaveletRestorer,
    WienerRestorer,
)
from skdeconv.exceptions import NoiseWarning

PSF = np.full((3, 3), 1 / 9)


def test_texture_warns():
    grass = data.grass()[None, :128, :128]
    restorer = WaveletRestorer()
    with pytest.warns(NoiseWarning, match="unsure"):
        restorer.fit(grass)
    with pytest.warns(NoiseWarning, match="unsure"):
        restorer.predict(grass)
    with pytest.warns(NoiseWarning, match="Pass noise_std"):
        SparseCodingRestorer(np.full((3, 3), 1 / 9)).fit(grass)


@pytest.mark.parametrize(
    ("restorer", "advice"),
    [
        (WienerRestorer(PSF), "noise_std"),
        (WienerRestorer(PSF, regularizer="spectrum"), "noise_std"),
        (LeastSquaresRestorer(PSF), "noise_std"),
        (SparseCodingRestorer(PSF), "noise_std"),
        (RichardsonLucyRestorer(PSF), "max_iter"),
    ],
    ids=str,
)
def test_each_call_warns_once(restorer, advice):
    grass = data.grass()[None, :128, :128]
    for call in (restorer.fit, restorer.predict):
        with pytest.warns(NoiseWarning, match=f"Pass {advice}") as caught:
            call(grass)
        assert sum(w.category is NoiseWarning for w in caught) == 1


def test_a_known_level_does_not_warn():
    grass = data.grass()[None, :64, :64].astype(float)
    noisy = grass + np.random.default_rng(0).normal(0, 10, grass.shape)
    WaveletRestorer(noise_std=10.0, data_range=255).fit(noisy).predict(noisy)
    WaveletRestorer(data_range=255).fit(noisy, grass).predict(noisy)


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_constant_images_do_not_warn(level):
    X = np.full((2, 80, 80), level)
    assert (WaveletRestorer().fit(X).noise_std_ == 0).all()
