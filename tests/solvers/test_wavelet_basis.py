"""The basis is orthonormal: adjoint and inverse are one."""

import pytest
import torch

from skdeconv.solvers._wavelet_basis import compose, decompose
from skdeconv.solvers._wavelet_frame import analyse


def normal(*shape):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("wavelet", ["haar", "db2", "db5"])
@pytest.mark.parametrize("shape", [(8,), (40,), (16, 24), (8, 16, 8)])
def test_orthonormal_and_inverted_by_its_adjoint(shape, wavelet):
    ndim = len(shape)
    x = normal(2, 3, *shape)
    coarse, details = decompose(x, ndim, wavelet=wavelet, levels=3)
    assert [len(bands) for bands in details] == [2**ndim - 1] * 3
    bands = [coarse, *(band for level in details for band in level)]
    assert sum(band.numel() for band in bands) == x.numel()
    torch.testing.assert_close(
        sum(band.square().sum() for band in bands), x.square().sum()
    )
    torch.testing.assert_close(compose(coarse, details, ndim, wavelet=wavelet), x)


def test_haar_is_the_frame_at_every_second_sample():
    x = normal(1, 1, 16, 12)
    coarse, [bands] = decompose(x, 2, levels=1)
    mean, [frame] = analyse(x, 2, levels=1)
    torch.testing.assert_close(coarse, 2 * mean[..., 1::2, 1::2])
    for band, expected in zip(bands, frame.unbind(2), strict=True):
        torch.testing.assert_close(band.abs(), 2 * expected[..., 1::2, 1::2].abs())
