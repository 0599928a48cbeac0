"""Medians against SciPy's, and of weighted pixels."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from skdeconv.solvers import median_filter
from skdeconv.solvers._median import _by_sorting

CASES = [
    ((17,), 3),
    ((9,), 4),
    ((1,), 5),
    ((12, 13), 1),
    ((12, 13), 3),
    ((12, 13), 4),
    ((5, 1), 7),
    ((14, 15), 13),
    ((6, 7, 8), 3),
    ((3, 3, 3), 5),
]


def random(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize(("shape", "size"), CASES)
def test_equals_scipy(shape, size):
    y = random(2, 3, *shape)
    window = (1, 1, *[size] * len(shape))
    expected = ndimage.median_filter(y.numpy(), window, mode="reflect")
    assert np.array_equal(median_filter(y, size).x, expected)
    assert np.array_equal(_by_sorting(y, size), expected)
    ones = torch.ones(2, 1, *shape)
    assert np.array_equal(median_filter(y, size, weight=ones).x, expected)


def test_slabs_make_no_difference(monkeypatch):
    y = random(2, 1, 20, 21)
    whole = _by_sorting(y, 3)
    monkeypatch.setattr("skdeconv.solvers._median.SLAB", 1000)
    assert torch.equal(_by_sorting(y, 3), whole)


def test_the_input_stays():
    y = random(1, 1, 5, 5)
    x = median_filter(y, 1).x
    x += 1
    assert torch.equal(y, random(1, 1, 5, 5))


def test_unknown_pixels_have_no_influence():
    y, weight = random(1, 2, 12, 13), (random(1, 1, 12, 13, seed=1) > 0.4).double()
    other = torch.where(weight > 0, y, 1e9)
    assert torch.equal(
        median_filter(y, 3, weight=weight).x, median_filter(other, 3, weight=weight).x
    )


def test_median_of_the_known():
    y, weight = random(1, 1, 12, 13), (random(1, 1, 12, 13, seed=1) > 0.4).double()
    x = median_filter(y, 5, weight=weight).x[0, 0]
    window, known = y[0, 0, 2:7, 3:8], weight[0, 0, 2:7, 3:8] > 0
    values = window[known].sort().values
    assert x[4, 5] == values[len(values) // 2]


def test_weights_repeat_pixels():
    y = torch.tensor([[[1.0, 5.0, 2.0, 9.0, 4.0]]])
    weight = torch.tensor([[[1.0, 1.0, 3.0, 1.0, 1.0]]])
    x = median_filter(y, 3, weight=weight).x
    assert x[0, 0, 1:4].tolist() == [2.0, 2.0, 2.0]


def test_wide_gaps_are_filled_from_the_rim():
    ramp = torch.arange(20.0).expand(1, 1, 20, 20)
    weight = torch.ones(1, 1, 20, 20)
    weight[..., 6:13, 6:13] = 0
    x = median_filter(ramp, 3, weight=weight).x
    assert (x - ramp).abs().max() <= 4
    nothing = median_filter(ramp, 3, weight=torch.zeros_like(weight)).x
    assert (nothing == 0).all()


def test_a_window_of_one_pixel_changes_nothing():
    y = random(1, 1, 5, 6)
    weight = (random(1, 1, 5, 6, seed=1) > 0.5).double()
    assert torch.equal(median_filter(y, 1, weight=weight).x, y)
