from itertools import pairwise
from time import process_time

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skdeconv.datasets import make_dead_leaves


@pytest.mark.parametrize("color", [False, True])
@pytest.mark.parametrize("textured", [False, True])
@pytest.mark.parametrize("shape", [(1, 1), (1, 70), (33, 20)])
def test_shape_and_range(shape, textured, color):
    X = make_dead_leaves(3, shape, color=color, textured=textured, random_state=0)
    assert X.shape == (3, *shape, 3)[: 4 if color else 3]
    assert X.dtype == np.float32
    assert np.isfinite(X).all()
    assert X.min() >= 0
    assert X.max() <= 1


def test_reproducible():
    options = dict(shape=(24, 24), color=True)
    first = make_dead_leaves(3, random_state=1, **options)
    assert_array_equal(first, make_dead_leaves(3, random_state=1, **options))
    assert_array_equal(first[:2], make_dead_leaves(2, random_state=1, **options))
    assert_array_equal(
        first, make_dead_leaves(3, random_state=np.random.RandomState(1), **options)
    )
    assert not np.array_equal(first[0], first[1])
    assert not np.array_equal(first, make_dead_leaves(3, random_state=2, **options))


def test_global_generator_is_untouched():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    unseeded = [make_dead_leaves(shape=(8, 8)) for _ in range(2)]
    make_dead_leaves(shape=(8, 8), random_state=0)
    assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002
    assert not np.array_equal(*unseeded)


def test_statistics_are_those_of_photographs():
    X = make_dead_leaves(8, (128, 128), random_state=0)
    assert 0.25 < X.mean() < 0.6
    assert 0.1 < X.std(axis=(1, 2)).mean() < 0.3
    gradients = np.diff(X, axis=2)
    kurtosis = np.mean(gradients**4) / np.mean(gradients**2) ** 2
    assert 8 < kurtosis < 60
    window = np.outer(np.hanning(128), np.hanning(128))
    centred = X - X.mean(axis=(1, 2), keepdims=True)
    power = (np.abs(np.fft.fft2(centred * window)) ** 2).mean(axis=0)
    frequency = np.hypot(np.fft.fftfreq(128)[:, None], np.fft.fftfreq(128))
    edges = np.geomspace(0.03, 0.4, 10)
    bands = [
        power[(frequency >= low) & (frequency < high)].mean()
        for low, high in pairwise(edges)
    ]
    slope = np.polyfit(np.log(edges[1:]), np.log(bands), 1)[0]
    assert -3.2 < slope < -1.8


def test_textures_add_detail():
    flat, textured = (
        make_dead_leaves(4, (64, 64), textured=t, random_state=0) for t in (False, True)
    )
    assert (np.diff(flat) == 0).mean() > 2 * (np.diff(textured) == 0).mean()


def test_colors_are_correlated():
    X = make_dead_leaves(8, (48, 48), color=True, random_state=0).reshape(-1, 3)
    assert np.corrcoef(X.T).min() > 0.6
    assert np.abs(X[:, 0] - X[:, 2]).mean() > 0.01


def test_is_fast():
    start = process_time()
    make_dead_leaves(2, random_state=0)
    assert process_time() - start < 3


@pytest.mark.parametrize("n_samples", [0, -1, 1.5, True, None])
def test_bad_n_samples(n_samples):
    with pytest.raises(ValueError, match="n_samples must"):
        make_dead_leaves(n_samples)


@pytest.mark.parametrize("shape", [16, (16,), (16, 16, 3), (0, 16), (16, 2.5), "ab"])
def test_bad_shape(shape):
    with pytest.raises(ValueError, match="shape must"):
        make_dead_leaves(shape=shape)
