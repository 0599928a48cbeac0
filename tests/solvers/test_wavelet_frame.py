"""The frame is tight: adjoint and inverse are one."""

import numpy as np
import pytest
import torch

from skdeconv.solvers._wavelet_frame import (
    WAVELETS,
    analyse,
    filters,
    noise_gain,
    synthesise,
)


def normal(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("wavelet", ["haar", "db2", "db5"])
@pytest.mark.parametrize("shape", [(1,), (17,), (12, 9), (1, 7), (5, 6, 7)])
def test_tight_and_inverted_by_its_adjoint(shape, wavelet):
    ndim = len(shape)
    x = normal(2, 3, *shape)
    coarse, details = analyse(x, ndim, wavelet=wavelet, levels=3)
    assert [d.shape for d in details] == [(2, 3, 2**ndim - 1, *shape)] * 3
    back = synthesise(coarse, details, ndim, wavelet=wavelet)
    torch.testing.assert_close(back, x, rtol=0, atol=1e-9)
    energy = coarse.square().sum() + sum(d.square().sum() for d in details)
    torch.testing.assert_close(energy, x.square().sum())

    other = normal(*coarse.shape, seed=1)
    others = [normal(*d.shape, seed=2 + i) for i, d in enumerate(details)]
    seen = (coarse * other).sum()
    seen += sum((a * b).sum() for a, b in zip(details, others, strict=True))
    back = (x * synthesise(other, others, ndim, wavelet=wavelet)).sum()
    torch.testing.assert_close(seen, back)


@pytest.mark.parametrize("wavelet", WAVELETS)
def test_filters_are_orthogonal_with_vanishing_moments(wavelet):
    low, high = map(np.array, filters(wavelet))
    n, moments = len(low), len(low) // 2
    for shift in range(0, n, 2):
        product = low[shift:] @ low[: n - shift]
        assert product == pytest.approx(0.5 if shift == 0 else 0, abs=1e-10)
    for power in range(moments):
        assert high @ np.linspace(-1, 1, n) ** power == pytest.approx(0, abs=1e-6)


def test_known_taps():
    root = np.sqrt(3)
    expected = np.array([1 + root, 3 + root, 3 - root, 1 - root]) / 8
    assert np.allclose(filters("db2")[0], expected)
    with pytest.raises(ValueError, match="wavelet must be one of"):
        filters("sym4")


@pytest.mark.parametrize("shape", [(4096,), (64, 64), (16, 16, 16)])
def test_gain_of_white_noise(shape):
    _, details = analyse(normal(4, 1, *shape), len(shape), wavelet="db2", levels=2)
    for level, detail in enumerate(details):
        expected = noise_gain(level, len(shape))
        assert float(detail.std()) == pytest.approx(expected, rel=0.05)


def test_axes_of_the_bands():
    rows = torch.arange(8.0).remainder(2)[:, None].expand(1, 1, 8, 8)
    _, (details,) = analyse(rows, 2, levels=1)
    energy = details.square().sum((0, 1, 3, 4))
    assert energy[1] > 0  # high along the first axis, low along the last
    assert energy[0] == energy[2] == 0
