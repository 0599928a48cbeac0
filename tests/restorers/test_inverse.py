"""What restorers of any operator share."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from skdeconv import (
    BlockMatchingRestorer,
    Degradation,
    LeastSquaresRestorer,
    RichardsonLucyRestorer,
    SparseCodingRestorer,
    TotalVariationRestorer,
    WienerRestorer,
)
from skdeconv.datasets import load_photographs
from skdeconv.degradations import GaussianNoise
from skdeconv.estimation import risk_scorer
from skdeconv.inspection import StrengthDisplay
from skdeconv.operators import (
    Blur,
    Downsample,
    Gradient,
    LinearOperator,
    Mask,
    gaussian_psf,
)

KINDS = [LeastSquaresRestorer, SparseCodingRestorer, TotalVariationRestorer]
PSF = gaussian_psf(1.2)


@pytest.fixture(scope="module")
def scene():
    margin = PSF.shape[0] - 1
    image = load_photographs("test").images[0][: 56 + margin, : 48 + margin]
    return torch.from_numpy(image[None, None] / 255.0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("outer", [None, Downsample(2, "area")])
def test_extended_blurs_answer_the_image_and_not_its_surroundings(kind, outer, scene):
    blur = Blur(PSF, "extended")
    operator = blur if outer is None else outer @ blur
    data = operator(scene)[0].numpy()
    half = PSF.shape[0] // 2
    truth = scene[0, :, half:-half, half:-half].numpy()
    restorer = kind(operator=operator, alpha=1e-3).fit(data, truth)
    restored = restorer.predict(data)
    assert restored.shape == truth.shape == (1, 56, 48)
    assert restorer.score(data, truth) > 25
    shifted = np.roll(truth, 1, 2)
    assert np.square(restored - truth).mean() < np.square(restored - shifted).mean()
    assert np.isfinite(risk_scorer(restorer, data))
    if outer is None:
        by_psf = kind(PSF, alpha=1e-3).fit(data).predict(data)
        assert np.abs(by_psf - restored).mean() < 0.02


KINDS_OF_NOISE = [(0.06, 0.5), (0.12, 0.9)]


def observe(photographs, noise_std, share):
    """A noisy photograph of range 1 with missing pixels, which ones, and the truth."""
    rng = np.random.default_rng(0)
    truth = photographs[0][:96, :96] / 255
    seen = rng.random(truth.shape) < share
    noisy = truth + rng.normal(0, noise_std, truth.shape)
    return np.where(seen, noisy, 0)[None].astype(np.float32), seen, truth[None]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("noise_std", "share"), KINDS_OF_NOISE)
def test_strengths_behind_masks_are_found_under_strong_noise(
    kind, noise_std, share, photographs
):
    data, seen, truth = observe(photographs, noise_std, share)
    alone = kind(operator=Mask(seen), data_range=1.0).fit(data)
    taught = kind(operator=Mask(seen), data_range=1.0).fit(data, truth)
    assert alone.score(data, truth) > taught.score(data, truth) - 0.6


@pytest.mark.parametrize("kind", KINDS)
def test_strengths_behind_a_blur_and_coarse_pixels_are_found(kind, photographs):
    truth = np.stack([p[:80, :80] for p in photographs[:2]])
    steps = [Blur(PSF), Downsample(2), GaussianNoise(4.0)]
    data, truth = Degradation(steps, random_state=0).pair(truth)
    operator = Downsample(2) @ Blur(PSF, "extended")
    alone = kind(operator=operator, data_range=255).fit(data)
    taught = kind(operator=operator, data_range=255).fit(data, truth)
    assert alone.score(data, truth) > taught.score(data, truth) - 0.3


@pytest.mark.parametrize("alpha", ["auto", 1e-2])
@pytest.mark.parametrize("data_range", [None, 1.0])
@pytest.mark.parametrize("kind", KINDS)
def test_values_that_a_mask_hides_have_no_influence(
    kind, data_range, alpha, photographs
):
    data, seen, _ = observe(photographs, 0.02, 0.6)
    garbage = np.where(seen, data, 1e4).astype(np.float32)
    options = {"operator": Mask(seen), "alpha": alpha, "data_range": data_range}
    restored = kind(**options).fit(data).predict(data)
    again = kind(**options).fit(garbage)
    assert again.data_range_ == 1
    np.testing.assert_array_equal(again.predict(garbage), restored)


@pytest.mark.parametrize("boundary", ["extended", "periodic"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_blur_as_operator_is_its_psf(kind, boundary, photographs):
    truth = np.stack([p[:72, :72] for p in photographs[:2]])
    steps = [Blur(PSF), GaussianNoise(2.55)]
    data, _ = Degradation(steps, random_state=0).pair(truth)
    one = kind(PSF, boundary=boundary, data_range=255).fit(data)
    other = kind(operator=Blur(PSF, boundary), data_range=255).fit(data)
    np.testing.assert_array_equal(other.alpha_, one.alpha_)
    np.testing.assert_array_equal(other.psf_, one.psf_)
    assert other.criterion_ == one.criterion_
    np.testing.assert_array_equal(other.predict(data), one.predict(data))


@pytest.mark.parametrize("kind", KINDS)
def test_operators_that_see_only_differences(kind):
    class Slope(LinearOperator):
        ndim = 2

        def __call__(self, x):
            return x - x.roll(1, -1)

        def adjoint(self, y):
            return y - y.roll(-1, -1)

        def norm(self, input_shape):
            return 2.0

    ramp = np.tile(np.sin(np.arange(40) / 3), (1, 40, 1))
    data = ramp - np.roll(ramp, 1, -1)
    restored = (
        kind(operator=Slope(), alpha=1e-4, data_range=1.0).fit(data).predict(data)
    )
    assert np.corrcoef(restored.ravel(), ramp.ravel())[0, 1] > 0.95


@pytest.mark.parametrize(
    ("kind", "noise_std", "width"),
    [(LeastSquaresRestorer, 10.0, None), (TotalVariationRestorer, 0.6, 6)],
)
def test_strengths_suit_smooth_images(kind, noise_std, width):
    if width is None:
        rows, columns = np.mgrid[:112, :112]
        scene = 127 + 100 * np.sin((columns + 2 * rows) / 9)
    else:
        scene = np.random.default_rng(1).standard_normal((112, 112))
        scene = gaussian_filter(scene, width)
        scene = 127 + 60 * scene / scene.std()
    psf = gaussian_psf(1.6)
    steps = [Blur(psf), GaussianNoise(noise_std)]
    observed, truth = Degradation(steps, random_state=0).pair(scene[None])
    alone = kind(psf, data_range=255).fit(observed)
    taught = kind(psf, data_range=255).fit(observed, truth)
    assert alone.score(observed, truth) > taught.score(observed, truth) - 0.6


def test_gradients_do_not_make_images():
    with pytest.raises(ValueError, match="operator must make images"):
        LeastSquaresRestorer(operator=Gradient(2)).fit(np.ones((1, 9, 9)))


@pytest.mark.parametrize(
    "kind", [*KINDS, WienerRestorer, RichardsonLucyRestorer, BlockMatchingRestorer]
)
def test_images_that_use_little_of_their_range(kind, photographs):
    truth = np.stack([p[:72, :72] for p in photographs[:1]]).astype(np.float64)
    steps = [Blur(PSF), GaussianNoise(2.55)]
    data, truth = Degradation(steps, random_state=0).pair(truth)

    def gain(observed, truth, **options):
        restorer = kind(PSF, **options).fit(observed)
        taught = kind(PSF, **options).fit(observed, truth)
        error = np.square(observed * 1.0 - truth).mean()
        return [
            10 * np.log10(error / np.square(r.predict(observed) - truth).mean())
            for r in (restorer, taught)
        ]

    expected = gain(data, truth, data_range=255)
    for dtype, unit in ((np.uint16, 16), (np.float64, 1e-6)):  # 12 bits of 16
        small, clean = unit * data, unit * truth
        if dtype is np.uint16:
            small, clean = (x.round().clip(0).astype(dtype) for x in (small, clean))
        np.testing.assert_allclose(gain(small, clean), expected, atol=0.1)


@pytest.mark.parametrize("kind", [*KINDS, WienerRestorer])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_offsets_change_nothing(kind, dtype, photographs):
    truth = np.stack([p[:72, :72] for p in photographs[:2]]) / 255
    steps = [Blur(PSF), GaussianNoise(0.01)]
    data, _ = Degradation(steps, random_state=0).pair(truth)
    expected = kind(PSF, data_range=1.0).fit(data).predict(data)
    offset = (data + 500).astype(dtype)
    restored = kind(PSF, data_range=1.0).fit(offset).predict(offset)
    assert np.square(restored.astype(float) - 500 - expected).mean() < 1e-5


def test_the_criterion_is_that_of_each_image(photographs):
    truth = np.stack([p[:128, :128] for p in photographs[:2]]).astype(np.float64)
    blurred, _ = Degradation([Blur(PSF)]).pair(truth)
    noise = np.random.default_rng(0).normal(0, 1, blurred.shape)
    data = blurred + noise * np.array([5.0, 1e-3])[:, None, None]
    restorer = TotalVariationRestorer(PSF, data_range=255).fit(data)
    assert restorer.criterion_.tolist() == ["gcv", "sure"]
    assert StrengthDisplay.from_estimator(restorer).label == "gcv, sure"
