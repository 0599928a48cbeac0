"""Noise that a camera has smoothed, behind a blur."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from skimage import data

from skdeconv import Degradation, TotalVariationRestorer
from skdeconv.datasets import load_photographs
from skdeconv.degradations import GaussianNoise
from skdeconv.estimation import estimate_noise_std
from skdeconv.metrics import psnr
from skdeconv.operators import Blur, disk_psf, gaussian_psf, motion_psf
from skdeconv.restorers._noise_behind import smoothed_noise_factor

PSF = gaussian_psf(1.2)
IMAGES = np.stack([p[:140, :140] for p in load_photographs("test").images])


def observe(psf=PSF, white=0.0, smoothed=0.0):
    blurred, sharp = Degradation(
        [Blur(psf), GaussianNoise(white)], random_state=0
    ).pair(IMAGES.astype("f4"))
    noise = np.random.default_rng(0).standard_normal(blurred.shape)
    noise = gaussian_filter(noise, (0, 0.8, 0.8))
    return blurred + (smoothed / noise.std() * noise).astype("f4"), sharp


@pytest.mark.parametrize(
    "psf", [gaussian_psf(1.0), disk_psf(2), motion_psf(9, angle=30), PSF]
)
@pytest.mark.parametrize("std", [1.0, 2.55, 10.0])
def test_white_noise_is_taken_for_white(psf, std):
    x = torch.from_numpy(observe(psf, white=std)[0])[:, None]
    found = estimate_noise_std(x, 2, return_reliability=True)
    assert (smoothed_noise_factor(x, *found, psf) == 1).all()


@pytest.mark.parametrize(("length", "shake", "seed"), [(15, 2, 7), (21, 4, 11)])
def test_texture_that_a_trace_leaves_is_not_noise(length, shake, seed):
    psf = motion_psf(length, shake=shake, random_state=seed)
    degrade = Degradation([Blur(psf), GaussianNoise(0.25)], random_state=0)
    observed, _ = degrade.pair(data.camera()[None, -224:, -224:].astype("f4"))
    x = torch.from_numpy(observed)[:, None]
    found = estimate_noise_std(x, 2, return_reliability=True)
    assert smoothed_noise_factor(x, *found, psf) == 1


def test_where_it_cannot_be_told():
    x = torch.from_numpy(observe(smoothed=4.0)[0])[:, None]
    found = estimate_noise_std(x, 2, return_reliability=True)
    factor = smoothed_noise_factor(x, *found, PSF)
    assert (found[0] * factor).numpy() == pytest.approx(4, rel=0.25)
    weight = torch.ones_like(x)
    weight[..., :20] = 0
    assert (smoothed_noise_factor(x, *found, PSF, weight) > 2).sum() > 3
    for image, psf in ((x, None), (x, gaussian_psf(0.5)), (x[..., :60], PSF)):
        assert (smoothed_noise_factor(image, *found, psf) == 1).all()


@pytest.mark.filterwarnings("ignore:psf does not fit the data")
def test_it_is_not_amplified(deblurrer):
    observed, sharp = (images[:2] for images in observe(smoothed=4.0))
    restorer = deblurrer(PSF, data_range=255).fit(observed)
    before = psnr(sharp, observed, data_range=255)
    assert restorer.score(observed, sharp) > before - 2.5  # else it falls by 5 to 25


def test_each_image_for_itself():
    smoothed, white = observe(smoothed=4.0)[0][:2], observe(white=4.0)[0][:1]
    images = np.concatenate([smoothed, white])
    restorer = TotalVariationRestorer(PSF, data_range=255)
    together = restorer.fit(images)
    strengths = together.alpha_
    alone = [float(restorer.fit(image[None]).alpha_[0]) for image in images]
    assert strengths == pytest.approx(alone, rel=1e-3)


@pytest.mark.parametrize("std", [0.5, 1.0])
def test_texture_across_a_shaken_blur_is_not_smoothed_noise(std):
    psf = motion_psf(21, shake=1.5, random_state=0)
    scene = data.grass()[166:346, 166:346].astype(np.float64)
    steps = [Blur(psf), GaussianNoise(std)]
    observed, _ = Degradation(steps, random_state=0).pair(scene[None])
    x = torch.from_numpy(observed)[:, None]
    found = estimate_noise_std(x, 2, return_reliability=True)
    assert (smoothed_noise_factor(x, *found, psf) == 1).all()
