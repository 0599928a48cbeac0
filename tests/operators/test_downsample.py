"""Downsample: against the definition of MATLAB's imresize."""

import numpy as np
import pytest
import torch

from skdeconv.operators import Downsample


def cubic(t):
    t = np.abs(t)
    near = 1.5 * t**3 - 2.5 * t**2 + 1
    far = -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2
    return near * (t <= 1) + far * ((t > 1) & (t <= 2))


def shrink(x, factor):
    """One axis, as imresize documents it: 1-based centres, stretched kernel."""
    n = len(x)
    result = []
    for i in range(1, n // factor + 1):
        u = i * factor + 0.5 * (1 - factor)
        left = int(np.floor(u - 2 * factor))
        index = np.arange(left, left + 4 * factor + 2)
        weights = cubic((u - index) / factor) / factor
        weights /= weights.sum()
        mirrored = np.concatenate([np.arange(n), np.arange(n)[::-1]])
        result.append(weights @ x[mirrored[(index - 1) % (2 * n)]])
    return np.array(result)


@pytest.mark.parametrize("factor", [1, 2, 3, 4])
def test_bicubic_is_imresize(factor):
    x = np.random.default_rng(factor).random((24, 36))
    rows = np.stack([shrink(column, factor) for column in x.T], axis=1)
    expected = np.stack([shrink(row, factor) for row in rows])
    y = Downsample(factor)(torch.from_numpy(x)[None, None])[0, 0].numpy()
    assert np.abs(y - expected).max() < 1e-12


def test_known_weights_of_imresize():
    impulse = torch.zeros(1, 1, 16, dtype=torch.float64)
    impulse[..., 8] = 1
    weights = Downsample(2, ndim=1)(impulse)[0, 0, 2:6].tolist()
    assert weights == pytest.approx([-0.01171875, 0.11328125, 0.43359375, -0.03515625])


@pytest.mark.parametrize("kernel", ["bicubic", "area", "gaussian"])
@pytest.mark.parametrize("factor", [1, 2, 3])
def test_constants_stay(kernel, factor):
    x = torch.full((1, 2, 12, 6), 3.0, dtype=torch.float64)
    assert torch.allclose(Downsample(factor, kernel)(x), x[..., ::factor, ::factor])


def test_area_is_the_mean_of_blocks():
    x = torch.rand(1, 1, 6, 9, dtype=torch.float64)
    expected = x.reshape(2, 3, 3, 3).mean((1, 3))
    assert torch.allclose(Downsample(3, "area")(x)[0, 0], expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"factor": 0}, "factor must be a positive int"),
        ({"factor": 1.5}, "factor must be a positive int"),
        ({"factor": 2, "kernel": "lanczos"}, "kernel must be one of"),
        ({"factor": 2, "ndim": 4}, "ndim must be 1, 2 or 3"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        Downsample(**arguments)


def test_lengths_must_be_multiples():
    with pytest.raises(ValueError, match="multiples of factor = 3"):
        Downsample(3)(torch.rand(1, 1, 9, 10))


def test_a_truth_value_is_no_factor():
    with pytest.raises(ValueError, match="factor must be"):
        Downsample(True)
