"""RestorationDisplay."""

import sys

import matplotlib as mpl
import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

from skdeconv import Degradation, LeastSquaresRestorer, MedianRestorer, WienerRestorer
from skdeconv.inspection import RestorationDisplay
from skdeconv.metrics import psnr
from skdeconv.operators import Downsample
from skdeconv.testing import example_restorers

CLEAN = np.random.default_rng(0).random((3, 40, 50)).cumsum(1) / 20
NOISY = CLEAN + np.random.default_rng(1).normal(0, 0.1, CLEAN.shape)


@pytest.fixture(autouse=True)
def no_screen():
    mpl.use("Agg")
    yield
    mpl.pyplot.close("all")


@pytest.fixture
def wiener():
    return WienerRestorer(data_range=1.0).fit(NOISY)


def titles(display):
    return [axis.get_title() for axis in display.axes_[0]]


def test_panels(wiener):
    display = RestorationDisplay.from_estimator(wiener, NOISY, CLEAN, index=1)
    before = psnr(CLEAN[1:2], NOISY[1:2], data_range=1.0)
    after = wiener.score(NOISY[1:2], CLEAN[1:2])
    assert display.psnr_ == pytest.approx({"input": before, "restored": after})
    first, second, third, last = titles(display)
    assert (first, second) == (f"input, {before:.2f} dB", f"restored, {after:.2f} dB")
    assert third == "truth"
    assert last.startswith("error, ±")
    assert display.axes_.shape == (2, 4)
    error = display.axes_[0, 3].images[0].get_array()
    assert np.allclose(error, wiener.predict(NOISY)[1] - CLEAN[1])


def test_without_truth(wiener):
    display = RestorationDisplay.from_estimator(wiener, NOISY)
    assert titles(display)[:2] == ["input", "restored"]
    removed = display.axes_[0, 2].images[0].get_array()
    assert np.allclose(removed, (NOISY - wiener.predict(NOISY))[0])


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_every_restorer(ndim):
    for restorer in {type(r): r for r in example_restorers(ndim)}.values():
        sizes = {1: (32,), 2: (26, 25), 3: (10, 12, 11)}[ndim]
        clean = np.random.default_rng(0).random((1, *sizes))
        restorer.fit(clean, clean)
        size = [int(n) for n in restorer._output_shape(clean.shape[1:])]
        display = RestorationDisplay.from_estimator(
            restorer, clean, np.resize(clean, (1, *size)), crop=None
        )
        assert display.axes_.shape == (1, 2 if ndim == 1 else 4)
        display.figure_.canvas.draw()
        mpl.pyplot.close("all")


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_channels(channels, ndim):
    X = np.random.default_rng(0).random((1, *(30, 31, 32)[:ndim], channels))
    restorer = WienerRestorer(ndim=ndim, data_range=1.0).fit(X)
    display = RestorationDisplay.from_estimator(restorer, X, X)
    assert display.axes_.shape[0] == 2
    display.figure_.canvas.draw()
    if ndim > 1:
        shape = display.axes_[0, 0].images[0].get_array().shape
        assert shape == (*X.shape[-3:-1], 3)[: 3 if channels == 3 else 2]
    if ndim == 3:
        middle = display.axes_[0, -1].images[0].get_array()
        assert middle.shape == X.shape[2:4]


def test_colours_stay_in_range(wiener):
    X = np.stack([NOISY, CLEAN, CLEAN], -1) * 255
    wiener.set_params(data_range=255.0).fit(X)
    display = RestorationDisplay.from_estimator(wiener, X, X[::-1])
    shown = display.axes_[0, 0].images[0].get_array()
    assert 0 <= shown.min() < shown.max() <= 1


def test_finer_than_the_input():
    coarse = Degradation([Downsample(2)]).fit_transform(CLEAN)
    restorer = LeastSquaresRestorer(operator=Downsample(2), data_range=1.0)
    restorer.fit(coarse)
    display = RestorationDisplay.from_estimator(restorer, coarse, CLEAN)
    assert set(display.psnr_) == {"restored"}
    assert {tuple(axis.images[0].get_extent()) for axis in display.axes_.flat} == {
        (-0.5, 49.5, 39.5, -0.5)
    }
    without = RestorationDisplay.from_estimator(restorer, coarse)
    assert without.axes_.shape == (2, 2)


def test_the_crop_is_where_the_detail_is(wiener):
    wiener.set_params(alpha=1e-3).fit(NOISY)
    flat = np.zeros((1, 100, 120))
    flat[0, 60:70, 80:90] = np.random.default_rng(0).random((10, 10))
    display = RestorationDisplay.from_estimator(wiener, flat, flat)
    left, right = display.axes_[1, 0].get_xlim()
    bottom, top = display.axes_[1, 0].get_ylim()
    assert left <= 79.5
    assert right >= 89.5
    assert top <= 59.5
    assert bottom >= 69.5
    given = RestorationDisplay.from_estimator(
        wiener, flat, crop=(slice(3, 9), slice(-20, None))
    )
    assert given.axes_[1, 0].get_xlim() == (99.5, 119.5)
    assert given.axes_[1, 0].get_ylim() == (8.5, 2.5)


def test_draws_where_told(wiener):
    figure, axes = mpl.pyplot.subplots(1, 4)
    display = RestorationDisplay.from_estimator(
        wiener, NOISY, CLEAN, crop=None, ax=axes
    )
    assert list(display.axes_[0]) == list(axes)
    divided = RestorationDisplay.from_estimator(wiener, NOISY, CLEAN, ax=axes[0])
    assert divided.figure_ is figure
    assert divided.axes_.shape == (2, 4)


@pytest.mark.parametrize("container", [list, lambda images: images])
def test_containers_pipelines_and_masks(container, wiener):
    steps = make_pipeline(MedianRestorer(data_range=1.0), wiener).fit(NOISY)
    display = RestorationDisplay.from_estimator(
        steps, container(NOISY), container(CLEAN), index=-1
    )
    assert display.psnr_["input"] == pytest.approx(
        psnr(CLEAN[2:], NOISY[2:], data_range=1.0)
    )
    mask = np.ones(NOISY.shape, dtype=bool)
    mask[:, 5] = False
    restorer = LeastSquaresRestorer(data_range=1.0).fit(NOISY)
    masked = RestorationDisplay.from_estimator(
        restorer, container(NOISY), mask=container(mask), index=1
    )
    expected = restorer.predict(NOISY, mask=mask)[1]
    assert np.allclose(masked.restored, expected)


def test_constant_images(wiener):
    X = np.full((1, 9, 9), 0.5)
    display = RestorationDisplay.from_estimator(wiener, X, X)
    display.figure_.canvas.draw()
    assert display.axes_.shape == (1, 4)


def test_mistakes(wiener):
    with pytest.raises(ValueError, match="one of 3 images, got 3"):
        RestorationDisplay.from_estimator(wiener, NOISY, index=3)
    with pytest.raises(ValueError, match="truth must have the shape"):
        RestorationDisplay.from_estimator(wiener, NOISY, CLEAN[:, 1:])
    with pytest.raises(ValueError, match="crop must be"):
        RestorationDisplay.from_estimator(wiener, NOISY, crop="middle")
    for crop in ((slice(3),), [slice(3)] * 2, (2, 3)):
        with pytest.raises(ValueError, match="a tuple of 2 slice"):
            RestorationDisplay.from_estimator(wiener, NOISY, crop=crop)


def test_without_matplotlib(wiener, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"skdeconv\[plot\]"):
        RestorationDisplay.from_estimator(wiener, NOISY)
