"""Point spread functions that cannot have made an image."""

import numpy as np
import pytest
import torch

from skdeconv import Degradation
from skdeconv.datasets import load_photographs
from skdeconv.degradations import GaussianNoise, PoissonNoise
from skdeconv.estimation import unexplained_noise_std
from skdeconv.operators import Blur, airy_psf, disk_psf, gaussian_psf, motion_psf

IMAGES = np.stack([p[:180, :180] for p in load_photographs("test").images])


def unexplained(true, supposed, noise, std=2.55):
    blurred = Degradation([Blur(true), noise], random_state=0).pair(IMAGES * 1.0)[0]
    x = torch.from_numpy(blurred)[:, None]
    return unexplained_noise_std(x, supposed, torch.full((len(x),), std).double())


@pytest.mark.parametrize("noise", [GaussianNoise(2.55), PoissonNoise(2.0)])
@pytest.mark.parametrize(
    "psf",
    [gaussian_psf(0.7), gaussian_psf(2.0), disk_psf(3), airy_psf(2.0), motion_psf(9)],
)
def test_the_psf_that_made_an_image_fits(psf, noise):
    assert (unexplained(psf, psf, noise) == 0).all()


def test_a_narrower_psf_fits():
    assert (unexplained(disk_psf(3), disk_psf(2), GaussianNoise(2.55)) == 0).all()


@pytest.mark.parametrize(
    ("true", "supposed"),
    [
        (gaussian_psf(1.0), gaussian_psf(2.0)),
        (disk_psf(2), gaussian_psf(2.5)),
        (gaussian_psf(1.5), gaussian_psf(3.0)),
    ],
)
def test_a_psf_that_is_too_wide_does_not_fit(true, supposed):
    found = unexplained(true, supposed, GaussianNoise(2.55))
    assert (found > 2).double().mean() >= 0.75
    assert (found < 80).all()


def test_what_cannot_be_told_passes():
    x = torch.from_numpy(IMAGES[:2, None] * 1.0)
    level = torch.zeros(2).double()
    assert (unexplained_noise_std(x[..., :20, :20], gaussian_psf(2), level) == 0).all()
    flat = torch.full_like(x, 3.0)
    assert (unexplained_noise_std(flat, gaussian_psf(2), level) == 0).all()
    assert (unexplained_noise_std(x, np.ones((1, 1)), level) == 0).all()
