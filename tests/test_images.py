"""The image contract, rule by rule."""

import warnings

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline

from skdeconv import (
    MedianRestorer,
    NonLocalMeansRestorer,
    RichardsonLucyRestorer,
    TotalVariationRestorer,
    WaveletRestorer,
    WienerRestorer,
)
from skdeconv._companions import check_target
from skdeconv._images import check_images
from skdeconv._ranges import resolve_data_range
from skdeconv.exceptions import DataRangeWarning, PSFWarning
from skdeconv.operators import gaussian_psf
from skdeconv.operators._psf import check_psf

PSF = np.array([[0.1, 0.2, 0.1], [0.1, 0.4, 0.1]])


def images(*shape, dtype=np.float32, seed=0):
    return np.random.default_rng(seed).random(shape).astype(dtype)


@pytest.mark.parametrize(
    ("shape", "ndim", "channels"),
    [
        ((3, 20), 1, None),
        ((3, 20, 2), 1, 2),
        ((3, 8, 9), 2, None),
        ((3, 8, 9, 3), 2, 3),
        ((3, 6, 8, 9), 3, None),
        ((3, 6, 8, 9, 2), 3, 2),
    ],
)
def test_shapes(shape, ndim, channels):
    batch = check_images(images(*shape), ndim=ndim)
    assert batch.has_channels == (channels is not None)
    assert batch.n_channels == (channels or 1)
    tensor = next(batch.tensors())
    assert tensor.shape == (3, channels or 1, *shape[1 : 1 + ndim])
    assert np.array_equal(batch.map(lambda x: x), batch.data)


@pytest.mark.parametrize(
    ("X", "ndim", "message"),
    [
        (images(8, 9), 2, r"Reshape your data: X\[None\]"),
        (images(8, 9, 3), 2, r"one colour image. Reshape your data: X\[None\]"),
        (images(8, 9, 4), 2, r"Reshape your data: X\[None\]"),
        (images(8), 1, "Reshape your data"),
        (images(8, 9, 7), 3, r"Reshape your data: X\[None\]"),
        (images(2, 2, 2, 8, 9), 2, "must have shape"),
        (np.zeros((3, 0, 9)), 2, "empty"),
        (np.zeros((0, 8, 9)), 2, "0 sample"),
        ([], 2, "empty list"),
        ([images(8, 9), images(8, 9, 3)], 2, "must not mix"),
        ([images(8, 9, 1), images(8, 9, 3)], 2, "same number of channels"),
        ([images(8)], 2, r"X\[0\] must have shape"),
        (np.full((2, 8, 9), np.nan), 2, "NaN"),
        (np.full((2, 8, 9), np.inf), 2, "infinity"),
        (np.full((2, 8, 9), "a"), 2, "could not convert|numeric"),
        (images(2, 8, 9) * 1j, 2, "[Cc]omplex"),
        (images(2, 3, 20, 30), 2, "channels last, got .*looks like channels first"),
        ([images(3, 20, 30)], 2, r"X\[0\] must have its channels last"),
    ],
)
def test_refused_shapes_and_values(X, ndim, message):
    with pytest.raises(ValueError, match=message):
        check_images(X, ndim=ndim)


def test_lists_and_object_arrays_of_different_sizes():
    mixed = [images(8, 9), images(12, 7)]
    answer = check_images(mixed, ndim=2).map(lambda x: 2 * x)
    assert isinstance(answer, list)
    assert all(np.array_equal(a, 2 * x) for a, x in zip(answer, mixed, strict=True))
    objects = np.empty(2, dtype=object)
    objects[:] = mixed
    answer = check_images(objects, ndim=2).map(lambda x: 2 * x)
    assert answer.dtype == object
    assert answer.shape == (2,)


def test_large_stacks_go_through_in_chunks(monkeypatch):
    monkeypatch.setattr("skdeconv._images.CHUNK_PIXELS", 200)
    X = images(7, 8, 9)
    sizes = []

    def restore(x):
        sizes.append(len(x))
        return x + 1

    assert np.array_equal(check_images(X, ndim=2).map(restore), X + 1)
    assert sizes == [2, 2, 2, 1]


@pytest.mark.parametrize(
    ("given", "answer"),
    [
        ("f4", "f4"),
        ("f8", "f8"),
        ("f2", "f4"),
        (">f4", "f4"),
        ("u1", "f4"),
        ("u2", "f4"),
        ("i4", "f4"),
        ("?", "f4"),
    ],
)
def test_dtypes(given, answer):
    X = (images(2, 8, 9) > 0.5).astype(given)
    restorer = WienerRestorer(PSF, data_range=1.0).fit(X)
    assert restorer.predict(X).dtype == answer


def test_tensors_are_taken():
    X = images(2, 8, 9)
    restorer = WienerRestorer(PSF).fit(torch.from_numpy(X))
    assert np.array_equal(restorer.predict(torch.from_numpy(X)), restorer.predict(X))


def test_memory_mapped_and_strided_data(tmp_path):
    X = images(4, 16, 18)
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    restorer = WienerRestorer(PSF).fit(X)
    assert np.array_equal(restorer.predict(mapped), restorer.predict(X))
    assert np.allclose(
        restorer.predict(X[::2, ::-1]), restorer.predict(X[::2, ::-1].copy())
    )


def batch(X):
    return check_images(X, ndim=2)


@pytest.mark.parametrize(
    ("dtype", "data_range"), [(bool, 1), (np.uint8, 255), (np.uint16, 65535)]
)
def test_range_of_dtypes(dtype, data_range):
    typed = np.ones((2, 8, 9), dtype=dtype)
    assert resolve_data_range(None, batch(typed)) == data_range
    floats = data_range * images(2, 8, 9)
    assert resolve_data_range(None, batch(floats), batch(typed)) == data_range


def test_range_is_one_for_floats_near_it():
    assert resolve_data_range(None, batch(images(2, 8, 9) * 8 - 3)) == 1


@pytest.mark.parametrize("X", [images(2, 8, 9) * 900, np.arange(144).reshape(2, 8, 9)])
def test_range_that_does_not_fit_warns(X):
    with pytest.warns(DataRangeWarning, match="Pass data_range"):
        assert resolve_data_range(None, batch(X)) == pytest.approx(np.ptp(X))
    y = np.full((2, 8, 9), 50.0)
    y[0, 0] = 0
    with pytest.warns(DataRangeWarning):
        assert resolve_data_range(None, batch(X), batch(y)) == 50


def test_given_range_is_never_second_guessed():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert resolve_data_range(3, batch(images(2, 8, 9) * 900)) == 3


def test_mixed_units_are_refused():
    X = (255 * images(2, 8, 9)).astype(np.uint8)
    with pytest.raises(ValueError, match="same units"):
        WienerRestorer(PSF).fit(X, X / 255)
    with pytest.raises(ValueError, match="share one dtype range"):
        WienerRestorer(PSF).fit(X, X.astype(np.uint16))


def test_mixed_units_of_floats_warn():
    X = 255 * images(2, 8, 9)
    with pytest.warns(DataRangeWarning, match="same units"):
        WienerRestorer(PSF).fit(X, X / 255)


def test_scoring_in_other_units_is_refused():
    X = (255 * images(2, 8, 9)).astype(np.uint8)
    with pytest.raises(ValueError, match="same units"):
        WienerRestorer(PSF).fit(X).score(X, X / 255)


@pytest.mark.parametrize("X", [None, "photograph.png"])
def test_what_is_no_image_is_named(X):
    with pytest.raises(ValueError, match="X must be an array or a list of arrays"):
        WienerRestorer(PSF).fit(X)


def test_other_kind_of_dtype_at_predict_is_refused():
    floats = images(2, 8, 9)
    eight_bit = (255 * floats).astype(np.uint8)
    with pytest.raises(ValueError, match=r"uint8.*fitted on float"):
        WienerRestorer(PSF).fit(floats).predict(eight_bit)
    with pytest.raises(ValueError, match=r"float.*fitted on uint8"):
        WienerRestorer(PSF).fit(eight_bit).predict(floats)
    WienerRestorer(PSF, data_range=255).fit(255 * floats).predict(eight_bit)


def test_units_are_those_of_the_input():
    eight_bit = (255 * images(2, 24, 26)).astype(np.uint8)
    restored = WienerRestorer(gaussian_psf(0.7)).fit(eight_bit).predict(eight_bit)
    assert 100 < restored.mean() < 155


def test_no_clipping_unless_asked_for():
    X = (images(2, 24, 26) > 0.5).astype(np.float32)
    free = WienerRestorer(gaussian_psf(1), alpha=1e-4).fit(X).predict(X)
    assert free.min() < 0
    assert free.max() > 1
    clipped = WienerRestorer(gaussian_psf(1), alpha=1e-4, clip=True).fit(X).predict(X)
    assert np.array_equal(clipped, free.clip(0, 1))


def test_targets():
    X = batch(images(3, 8, 9))
    for wrong, message in [
        (images(2, 8, 9), "same number of images"),
        (images(3, 9, 8), "same shapes"),
        (images(3, 8, 9, 3), "both have a channel axis"),
        (None, "requires y"),
    ]:
        with pytest.raises(ValueError, match=message):
            check_target(wrong, X)
    with pytest.raises(ValueError, match="upscale=2 refines pixels that much"):
        check_target(images(3, 16, 18), X)
    signals = check_images(images(3, 8), ndim=1)
    assert check_target([1.0, 2.0, 3.0], signals).data[1].tolist() == [2.0] * 8


@pytest.mark.parametrize(
    "restorer",
    [
        MedianRestorer(),
        NonLocalMeansRestorer(),
        TotalVariationRestorer(),
        WienerRestorer(PSF, regularizer="spectrum"),
        RichardsonLucyRestorer(PSF),
        WaveletRestorer(shifts=1),
    ],
    ids=lambda restorer: type(restorer).__name__,
)
def test_finer_targets_are_for_a_later_step(restorer):
    X = images(2, 24, 26)
    fine = X.repeat(2, axis=1).repeat(2, axis=2)
    alone = clone(restorer).fit(X).predict(X)
    assert np.array_equal(clone(restorer).fit(X, fine).predict(X), alone)
    several = clone(restorer).fit(list(X), list(fine)).predict(X)
    assert np.array_equal(several, alone)
    with pytest.raises(ValueError, match=r"same shapes.*upscale=2 refines"):
        restorer.fit(X, fine).score(X, fine)
    for other in (fine[:, :-1], fine[:, :24], [fine[0], X[1]]):
        with pytest.raises(ValueError, match="same shapes"):
            restorer.fit(X if isinstance(other, np.ndarray) else list(X), other)


@pytest.mark.parametrize(
    ("psf", "message"),
    [
        (np.zeros((3, 3)), "positive sum"),
        (-PSF, "non-negative"),
        (np.full((3, 3), np.nan), "finite"),
        (np.ones((2, 2, 2, 2)), "1 to 3 axes"),
        (np.ones((0, 3)), "empty"),
        ("psf", "'psf' parameter"),
        (np.ones((20, 20)) / 400, "larger than the images"),
    ],
)
def test_refused_psfs(psf, message):
    with pytest.raises(ValueError, match=message):
        WienerRestorer(psf).fit(images(2, 8, 9))


def test_odd_psfs_warn():
    with pytest.warns(PSFWarning, match="sums to 100"):
        assert check_psf(100 * PSF, warn=True).sum() == pytest.approx(1)
    late = np.zeros((9, 9))
    late[8, 8] = 1
    with pytest.warns(PSFWarning, match=r"\+4.0, \+4.0"):
        check_psf(late, warn=True)


def test_predict_before_fit():
    with pytest.raises(NotFittedError):
        WienerRestorer(PSF).predict(images(2, 8, 9))


def test_one_pixel_and_black_images():
    one = WienerRestorer().fit(np.full((1, 1, 5), 0.5)).predict(np.full((1, 1, 5), 0.5))
    assert np.allclose(one, 0.5)
    pixel = WienerRestorer(ndim=1).fit([[0.5]]).predict([[0.5]])
    assert np.allclose(pixel, 0.5)
    black = np.zeros((2, 8, 9))
    for restorer in (WienerRestorer(PSF), RichardsonLucyRestorer(PSF)):
        assert not restorer.fit(black).predict(black).any()


def test_eight_bits_through_a_pipeline():
    clean = (255 * images(2, 24, 26)).astype(np.uint8)
    pipeline = make_pipeline(
        WienerRestorer(gaussian_psf(0.8)), WienerRestorer(alpha=0.1)
    )
    pipeline.fit(clean, clean)
    assert pipeline[-1].data_range_ == 255
    assert np.isfinite(pipeline.score(clean, clean))
    assert clone(pipeline).fit(clean, clean).predict(clean).dtype == np.float32


def test_hidden_values_do_not_set_the_range():
    X, mask = images(2, 8, 9), np.ones((2, 8, 9), dtype=bool)
    X[0, 3, 4], mask[0, 3, 4] = 1e6, False
    restorer = WienerRestorer(PSF, alpha=0.1).fit(X, mask=mask)
    assert restorer.data_range_ == 1


def test_masked_arrays_are_refused():
    X = np.ma.array(images(2, 8, 9), mask=images(2, 8, 9) > 0.9)
    for stack in (X, list(X)):
        with pytest.raises(ValueError, match="must not be masked arrays"):
            WienerRestorer(PSF, alpha=0.1).fit(stack)
    whole = np.ma.array(images(2, 8, 9))  # has nothing to lose
    WienerRestorer(PSF, alpha=0.1).fit(whole)


def test_short_axes_that_run_backwards():
    X = images(1, 8, 9)[::-1]
    assert X.strides[0] < 0
    expected = WienerRestorer(PSF, alpha=0.1).fit(X.copy()).predict(X.copy())
    np.testing.assert_array_equal(
        WienerRestorer(PSF, alpha=0.1).fit(X).predict(X), expected
    )
