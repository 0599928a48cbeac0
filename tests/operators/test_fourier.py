"""Transforms in place of the image."""

import pytest
import torch

from skdeconv.operators import Blur, _fourier, gaussian_psf
from skdeconv.operators._fourier import fft, ifft
from skdeconv.solvers import richardson_lucy


@pytest.mark.parametrize("shape", [(7,), (8,), (9, 12), (6, 10, 9), (1, 5, 8)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_large_spectra_lie_where_the_image_was(monkeypatch, shape, dtype):
    monkeypatch.setattr(_fourier, "LARGE", 1)
    monkeypatch.setattr(_fourier, "SLAB", 4)
    x = torch.randn(2, 3, *shape, generator=torch.Generator().manual_seed(0))
    x = x.to(dtype)
    spectrum = fft(x, shape)
    expected = torch.fft.rfftn(x, dim=tuple(range(-len(shape), 0)))
    torch.testing.assert_close(spectrum, expected, rtol=1e-4, atol=1e-4)
    place = spectrum.data_ptr()
    back = ifft(spectrum, shape, overwrite=True)
    torch.testing.assert_close(back, x, rtol=1e-5, atol=1e-5)
    again = fft(back, shape, overwrite=True)
    torch.testing.assert_close(again, expected, rtol=1e-4, atol=1e-4)
    assert place == back.data_ptr() == again.data_ptr()


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("boundary", ["extended", "reflect", "periodic"])
def test_large_images_are_restored_like_small_ones(monkeypatch, boundary, symmetric):
    psf = gaussian_psf(1.2)
    if not symmetric:
        psf = psf[:, 1:]
    y = 1 + torch.rand(2, 1, 30, 33, dtype=torch.float64)
    blur = Blur(psf / psf.sum(), boundary)
    expected = richardson_lucy(y, blur, max_iter=5).x
    monkeypatch.setattr(_fourier, "LARGE", 1)
    torch.testing.assert_close(richardson_lucy(y, blur, max_iter=5).x, expected)
