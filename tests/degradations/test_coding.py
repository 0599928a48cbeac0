"""Quantisation and JPEG compression."""

import numpy as np
import pytest
import torch
from skimage import data

from skdeconv import Degradation
from skdeconv.degradations import GaussianNoise, JPEGCompression, Quantisation


def photograph(channels, data_range):
    image = data.astronaut()[:50, 60:107].astype(np.float64)
    image = image if channels == 3 else image[..., :1]
    return torch.from_numpy(image).movedim(-1, 0)[None] * (data_range / 255)


@pytest.mark.parametrize(("levels", "data_range"), [(2, 1.0), (16, 10.0), (256, 255.0)])
def test_quantisation(levels, data_range):
    x = torch.linspace(-0.2, 1.2, 1000, dtype=torch.float64) * data_range
    quantise = Quantisation(levels, data_range)
    y = quantise(x[None, None])
    assert len(y.unique()) == levels
    assert y.min() == 0
    assert y.max() == pytest.approx(data_range)
    assert torch.equal(quantise(y), y)
    half = data_range / (levels - 1) / 2
    assert (y - x.clamp(0, data_range)).abs().max() <= half * (1 + 1e-9)
    assert x[0] < 0


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("data_range", [1.0, 255.0, 4000.0])
def test_jpeg_loses_more_at_lower_quality(channels, data_range):
    x = photograph(channels, data_range)
    errors = [
        float((JPEGCompression(q, data_range)(x) - x).square().mean().sqrt())
        for q in (100, 90, 50, 10)
    ]
    assert errors == sorted(errors)
    assert errors[0] < 1.2 / 255 * data_range
    assert errors[-1] > 3.5 / 255 * data_range


def test_jpeg_keeps_shape_dtype_and_range():
    x = photograph(3, 1.0).float().repeat(2, 1, 1, 1) * 1.5 - 0.2
    kept = x.clone()
    y = JPEGCompression(60)(x)
    assert y.shape == x.shape
    assert y.dtype == x.dtype
    assert y.is_contiguous()
    assert torch.equal(y[0], y[1])
    assert 0 <= y.min() <= y.max() <= 1
    assert torch.equal(x, kept)


def test_as_steps():
    X = np.random.default_rng(0).random((2, 24, 25, 3))
    steps = [GaussianNoise(0.05), JPEGCompression(80), Quantisation(256)]
    observed, truth = Degradation(steps, random_state=0).pair(X)
    assert observed.shape == truth.shape == X.shape
    codes = observed * 255
    assert np.allclose(codes, np.rint(codes))


@pytest.mark.parametrize("shape", [(1, 2, 8, 8), (1, 1, 8), (1, 1, 4, 4, 4)])
def test_jpeg_refuses_what_it_cannot_store(shape):
    with pytest.raises(ValueError, match="two axes with one or three channels"):
        JPEGCompression()(torch.zeros(shape))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Quantisation(1), "levels must be an integer of at least 2"),
        (lambda: Quantisation(2.5), "levels must be an integer"),
        (lambda: Quantisation(data_range=-1), "data_range must be a positive"),
        (lambda: JPEGCompression(0), "quality must be an integer from 1 to 100"),
        (lambda: JPEGCompression("high"), "quality must be an integer"),
        (lambda: JPEGCompression(data_range=np.inf), "data_range must be a positive"),
    ],
)
def test_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_repr():
    assert repr(Quantisation(16)) == "Quantisation(levels=16, data_range=1)"
    assert repr(JPEGCompression(30)) == "JPEGCompression(quality=30, data_range=1)"
