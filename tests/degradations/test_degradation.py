"""Noise and degradations."""

import numpy as np
import pytest
import torch
from scipy import ndimage
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from skdeconv import Degradation, WienerRestorer
from skdeconv.degradations import (
    GaussianNoise,
    JPEGCompression,
    PoissonNoise,
    Quantisation,
    SaltAndPepperNoise,
)
from skdeconv.exceptions import DataRangeWarning
from skdeconv.operators import Blur, Downsample, Gradient, Identity, gaussian_psf

PSF = np.array([[0.1, 0.2, 0.1, 0.0], [0.1, 0.3, 0.1, 0.1]])
SCENES = np.random.default_rng(0).random((3, 40, 44))


def test_gaussian_noise_has_its_standard_deviation():
    noisy = GaussianNoise(0.2)(torch.full((1, 1, 400, 400), 0.5))
    assert float(noisy.std()) == pytest.approx(0.2, rel=0.02)
    assert float(noisy.mean()) == pytest.approx(0.5, abs=0.005)


def test_poisson_noise_has_variance_gain_times_intensity():
    noisy = PoissonNoise(0.1)(torch.full((1, 1, 400, 400), 3.0))
    assert float(noisy.var()) == pytest.approx(0.3, rel=0.03)
    assert float(noisy.mean()) == pytest.approx(3.0, rel=0.01)


@pytest.mark.parametrize(
    ("noise", "argument"),
    [
        (GaussianNoise, -1),
        (GaussianNoise, np.nan),
        (PoissonNoise, 0),
        (PoissonNoise, "1"),
    ],
)
def test_noise_refuses_wrong_levels(noise, argument):
    with pytest.raises(ValueError, match="must be a"):
        noise(argument)


def test_poisson_noise_refuses_negative_images():
    with pytest.raises(ValueError, match="non-negative"):
        PoissonNoise(0.1)(torch.full((1, 1, 4, 4), -1.0))


def test_transform_keeps_the_size_and_mirrors():
    degraded = Degradation([Blur(PSF)]).fit(SCENES).transform(SCENES)
    expected = [ndimage.convolve(s, PSF, mode="reflect") for s in SCENES]
    assert np.allclose(degraded, expected)


def test_pair_is_the_middle_of_a_blurred_scene():
    observed, truth = Degradation([Blur(PSF), Blur(PSF)]).pair(SCENES)
    twice = [ndimage.convolve(ndimage.convolve(s, PSF), PSF) for s in SCENES]
    middle = np.stack(twice)[:, 0:-2, 2:-4]
    assert observed.shape == truth.shape == (3, 38, 38)
    assert np.allclose(observed, middle)
    assert np.array_equal(truth, SCENES[:, 0:-2, 2:-4])


def test_pair_of_lists_and_colours():
    scenes = [np.uint8(255 * SCENES[0]), np.uint8(255 * SCENES[1, :30])]
    observed, truth = Degradation([Blur(PSF), GaussianNoise(2)]).pair(scenes)
    assert (
        [o.shape for o in observed] == [t.shape for t in truth] == [(39, 41), (29, 41)]
    )
    assert observed[0].dtype == np.float32
    assert truth[0].dtype == np.uint8
    colour = np.stack([SCENES] * 3, axis=-1)
    observed, truth = Degradation([Blur(PSF)]).pair(colour)
    assert observed.shape == truth.shape == (3, 39, 41, 3)


def test_noise_is_new_unless_random_state_is_an_int():
    fresh = Degradation([GaussianNoise(0.1)]).fit(SCENES)
    assert not np.array_equal(fresh.transform(SCENES), fresh.transform(SCENES))
    fixed = clone(fresh).set_params(random_state=3).fit(SCENES)
    assert np.array_equal(fixed.transform(SCENES), fixed.transform(SCENES))
    state = Degradation([GaussianNoise(0.1)], random_state=np.random.RandomState(0))
    assert not np.array_equal(state.fit_transform(SCENES), state.transform(SCENES))


def test_global_generators_are_left_alone():
    before, numpy_before = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    Degradation([GaussianNoise(0.1), PoissonNoise(0.1)], random_state=0).pair(
        SCENES + 1
    )
    assert torch.equal(before, torch.random.get_rng_state())
    assert np.array_equal(numpy_before, np.random.get_state()[1])  # noqa: NPY002


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([], "at least one"),
        (["blur"], r"steps\[0\]"),
        ([Blur(PSF), Blur([0.5, 0.5])], "agree on the number of spatial axes"),
        ([Blur(PSF, boundary="extended")], "changes the size"),
        ([Gradient(2)], "images of images"),
        ([Gradient(2) @ Blur(PSF)], "images of images"),
    ],
)
def test_refused_steps(steps, message):
    with pytest.raises(ValueError, match=message):
        Degradation(steps).fit(SCENES)


def test_pair_refuses_images_under_the_psf():
    with pytest.raises(ValueError, match="larger than the scene"):
        Degradation([Blur(gaussian_psf(3))]).pair(SCENES[:, :10, :10])


def test_first_step_of_a_pipeline_scores_on_clean_images():
    pipeline = make_pipeline(
        Degradation([Blur(PSF), GaussianNoise(0.01)], random_state=0),
        WienerRestorer(PSF, alpha=1e-3, boundary="reflect"),
    )
    assert pipeline.fit(SCENES, SCENES).score(SCENES, SCENES) > 15


def test_repr_and_clone():
    degrade = Degradation([Blur(PSF), GaussianNoise(0.1)], random_state=0)
    assert "GaussianNoise(std=0.1)" in repr(degrade)
    assert "Blur(psf=<2x4>" in repr(clone(degrade))


def test_compositions_are_steps_in_a_row():
    together = Degradation([Downsample(2) @ Blur(PSF)])
    one_by_one = Degradation([Blur(PSF), Downsample(2)])
    for ours, theirs in zip(
        together.pair(SCENES), one_by_one.pair(SCENES), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
    observed, _ = Degradation([Identity() @ Blur(PSF)]).pair(SCENES)
    np.testing.assert_array_equal(observed, Degradation([Blur(PSF)]).pair(SCENES)[0])
    with pytest.raises(ValueError, match="changes the size"):
        Degradation([Identity() @ Blur(PSF, "extended")]).fit(SCENES)


@pytest.mark.parametrize(
    "step", [JPEGCompression(), Quantisation(), SaltAndPepperNoise(0.1)]
)
def test_ranges_of_steps_are_those_of_the_images(step):
    bright = (255 * SCENES).astype(np.uint8)
    for images in (bright, 255 * SCENES, (SCENES > 2).astype(np.uint8)):
        for degrade in (Degradation([step]).fit, Degradation([step]).pair):
            with pytest.raises(ValueError, match="data_range=255"):
                degrade(images)
    Degradation([step]).pair(SCENES)
    options = {"fraction": 0.1} if isinstance(step, SaltAndPepperNoise) else {}
    other = type(step)(data_range=255.0, **options)
    Degradation([other]).pair(bright)
    with pytest.warns(DataRangeWarning, match="nearly black"):
        Degradation([other]).pair(SCENES)


def test_pair_refuses_images_under_a_coarse_pixel():
    with pytest.raises(ValueError, match="larger than the scene"):
        Degradation([Downsample(8)]).pair(np.ones((1, 6, 6)))
