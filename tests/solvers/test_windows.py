"""Sliding windows against NumPy and SciPy."""

import numpy as np
import pytest
import torch

from skdeconv.operators._pairs import displacements
from skdeconv.solvers._windows import average_alike, pad_mirrored, window_sums

SHAPES = [(9,), (1,), (6, 7), (1, 5), (3, 4, 5)]


def random(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("shape", SHAPES)
def test_mirrored_as_numpy_does_it_however_far(shape):
    x = random(*shape)
    margins = [(11 + i, 2 * i) for i in range(len(shape))]
    expected = np.pad(x.numpy(), margins, mode="symmetric")
    assert np.array_equal(pad_mirrored(x, margins), expected)


@pytest.mark.parametrize("size", range(1, 10))
def test_sums_of_windows(size):
    x = random(2, 9, 11)
    windows = np.lib.stride_tricks.sliding_window_view(x.numpy(), (size, size), (1, 2))
    expected = windows.sum((-1, -2))
    assert np.allclose(window_sums(x, (size, size)), expected)


def test_sums_do_not_cancel():
    x = torch.ones(1, 1000)
    x[0, :500] = 1e8
    assert (window_sums(x, (7,))[0, 500:] == 7).all()


def test_displacements_are_half_of_the_box():
    half = list(displacements((2, 1, 3)))
    both = {*half, *(tuple(-k for k in d) for d in half)}
    assert len(both) == 2 * len(half) == 5 * 3 * 7 - 1


@pytest.mark.parametrize("shape", SHAPES)
def test_averages_are_those_of_a_loop_over_pairs(shape):
    y, patch, radius = random(2, 3, *shape), 3, 2
    ndim = len(shape)

    def affinity(distance, d):
        return torch.exp(-3 * distance - 0.1 * sum(k * k for k in d))

    total, weight = average_alike(y, (radius,) * ndim, patch, affinity)
    patches = pad_mirrored(y, [(1, 1)] * ndim)
    for axis in range(2, 2 + ndim):
        patches = patches.unfold(axis, patch, 1)
    for p in np.ndindex(shape):
        expected, weights = torch.zeros(2, 3, dtype=y.dtype), 0
        for q in np.ndindex(shape):
            d = np.subtract(p, q)
            if (d == 0).all() or (np.abs(d) > radius).any():
                continue
            a, b = (
                patches[(..., *p, *[slice(None)] * ndim)],
                patches[(..., *q, *[slice(None)] * ndim)],
            )
            w = affinity((a - b).square().flatten(1).mean(1, keepdim=True), d)
            expected, weights = expected + w * y[(..., *q)], weights + w
        torch.testing.assert_close(total[(..., *p)], expected)
        torch.testing.assert_close(
            weight[(..., *p)], weights + torch.zeros(2, 1, dtype=y.dtype)
        )
