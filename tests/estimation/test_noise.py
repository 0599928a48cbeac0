import pytest
import torch
from skimage import data

from skdeconv.estimation import estimate_noise_std


def noise(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("sigma", [5, 15, 50])
@pytest.mark.parametrize("name", ["camera", "moon", "coins"])
def test_within_a_tenth_on_photographs(name, sigma):
    image = torch.from_numpy(getattr(data, name)()[:256, :256]).double()
    noisy = image + sigma * noise(*image.shape)
    estimate = estimate_noise_std(noisy[None, None], 2)
    assert estimate.item() == pytest.approx(sigma, rel=0.1)


@pytest.mark.parametrize("shape", [(2000,), (40, 50), (12, 14, 16)])
def test_pure_noise_in_any_number_of_axes(shape):
    levels = torch.tensor([0.5, 2.0], dtype=torch.float64)
    x = noise(2, 3, *shape) * levels.view(2, *(1,) * (1 + len(shape)))
    estimate = estimate_noise_std(x, len(shape))
    assert estimate.shape == (2,)
    torch.testing.assert_close(estimate, levels, rtol=0.1, atol=0)


def test_scales_with_the_image_and_ignores_an_offset():
    x = noise(2, 1, 30, 31)
    torch.testing.assert_close(
        estimate_noise_std(1000 * x + 7, 2), 1000 * estimate_noise_std(x, 2)
    )


@pytest.mark.parametrize("shape", [(1,), (2,), (3,), (10,), (1, 1), (1, 7), (2, 3, 4)])
def test_tiny_and_constant_images(shape):
    x = noise(2, 1, *shape)
    estimate = estimate_noise_std(x, len(shape))
    assert torch.isfinite(estimate).all()
    assert (estimate >= 0).all()
    if max(shape) == 1:
        assert (estimate == 0).all()
    assert (estimate_noise_std(torch.full_like(x, 0.3), len(shape)) == 0).all()
