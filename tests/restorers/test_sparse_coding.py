"""SparseCodingRestorer on photographs."""

import numpy as np
import pytest
from sklearn.base import clone

from skdeconv import Degradation, SparseCodingRestorer, WienerRestorer
from skdeconv.degradations import GaussianNoise
from skdeconv.metrics import psnr
from skdeconv.operators import Blur, motion_psf


@pytest.fixture(scope="module")
def noisy(photographs):
    rng = np.random.default_rng(0)
    return [p + rng.normal(0, 25, p.shape).astype(np.float32) for p in photographs]


def restorer(**parameters):
    return SparseCodingRestorer(**{"random_state": 0, "data_range": 255} | parameters)


def test_denoising_without_anything_else(noisy, photographs):
    before = psnr(photographs, noisy, data_range=255)
    alone = restorer().fit(noisy)
    assert alone.score(noisy, photographs) > before + 6.5
    assert alone.dictionary_ is None
    assert alone.noise_std_ == pytest.approx([25, 25, 25], rel=0.1)


def test_dictionary_of_clean_images(noisy, photographs):
    taught = restorer(n_components=128).fit(noisy[1:], photographs[1:])
    assert taught.dictionary_.shape == (144, 64)  # the next product of equal counts
    assert taught.noise_std_ == pytest.approx(25, rel=0.02)
    before = psnr(photographs[:1], noisy[:1], data_range=255)
    assert taught.score(noisy[:1], photographs[:1]) > before + 6
    with pytest.raises(ValueError, match=r"patches of \(8, 8\)"):
        taught.predict([noisy[0][:5]])


def test_images_without_noise_stay_as_they_are(photographs):
    exact = restorer().fit(photographs, photographs)
    assert exact.noise_std_ == 0
    assert np.array_equal(exact.predict(photographs)[0], photographs[0])


def test_noise_level_may_be_given(noisy):
    noisy = noisy[:1]
    given = restorer(noise_std=25).fit(noisy)
    smooth = restorer(noise_std=60).fit(noisy)
    assert given.noise_std_ == 25
    assert smooth.predict(noisy)[0].std() < given.predict(noisy)[0].std()


def test_deblurring_beats_wiener_also_at_the_border(blurred, border_gain):
    psf, *both = blurred
    observed, truth = ([x[:112, :112] for x in images[:2]] for images in both)
    sparse = restorer(psf=psf).fit(observed)
    wiener = WienerRestorer(psf, data_range=255).fit(observed)
    assert sparse.score(observed, truth) > wiener.score(observed, truth) + 0.2
    assert border_gain(psf, observed, truth, sparse.predict(observed)).min() > 0


def test_strength_suits_a_regular_texture(photographs):
    psf = motion_psf(9, angle=30)
    i, j = np.mgrid[:96, :96]
    stripes = 20 * np.sin(2 * np.pi * (0.5 * i + 0.86 * j) / 3.5) * (i > 30)
    scene = (0.5 * photographs[0][:96, :96] + 60 + stripes).astype(np.float32)
    degrade = Degradation([Blur(psf), GaussianNoise(2.55)], random_state=0)
    observed, sharp = degrade.pair(scene[None])
    automatic = restorer(psf=psf).fit(observed)
    assert automatic.criterion_ == "sure"
    others = [restorer(psf=psf, alpha=a).fit(observed) for a in np.geomspace(1e-3, 0.1)]
    best = max(other.score(observed, sharp) for other in others[::7])
    # The strength that spectra of photographs suggest costs 2.2 dB.
    assert automatic.score(observed, sharp) > best - 0.5


def test_random_state_decides(noisy):
    noisy = [noisy[0][:80, :80]]
    first = restorer().fit(noisy)
    assert np.array_equal(first.predict(noisy), first.predict(noisy))
    again = clone(first).fit(noisy)
    assert np.array_equal(first.predict(noisy), again.predict(noisy))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"noise_std": -1}, "'noise_std' parameter"),
        ({"noise_std": "mad"}, "'noise_std' parameter"),
        ({"patch_size": 0}, "'patch_size' parameter"),
        ({"boundary": "reflect"}, "'boundary' parameter"),
    ],
)
def test_refused_parameters(parameters, message):
    with pytest.raises(ValueError, match=message):
        restorer(**parameters).fit(np.zeros((1, 20, 20)))
