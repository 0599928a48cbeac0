"""Photographs seen through blurs, with real borders."""

import numpy as np
import pytest

from skdeconv import (
    BlockMatchingRestorer,
    Degradation,
    LeastSquaresRestorer,
    PlugAndPlayRestorer,
    RichardsonLucyRestorer,
    SparseCodingRestorer,
    TotalVariationRestorer,
    WienerRestorer,
)
from skdeconv.datasets import load_photographs
from skdeconv.degradations import GaussianNoise
from skdeconv.operators import Blur, disk_psf, gaussian_psf, motion_psf

PSFS = {
    "gaussian": gaussian_psf(1.6),
    "disk": disk_psf(3),
    "motion": motion_psf(13, angle=30),
    "shake": motion_psf(25, shake=2, random_state=1),
}


@pytest.fixture(
    params=[
        BlockMatchingRestorer,
        LeastSquaresRestorer,
        PlugAndPlayRestorer,
        RichardsonLucyRestorer,
        SparseCodingRestorer,
        TotalVariationRestorer,
        WienerRestorer,
    ]
)
def deblurrer(request):
    """A class of restorers that undo a PSF."""
    return request.param


@pytest.fixture(scope="session")
def photographs():
    images = load_photographs("test").images
    return [image[90:250, 100:250].astype(np.float32) for image in images[:3]]


@pytest.fixture(params=PSFS, scope="session")
def blurred(request, photographs):
    """A PSF, what was observed, and the truth."""
    psf = PSFS[request.param]
    degrade = Degradation([Blur(psf), GaussianNoise(2.55)], random_state=0)
    observed, truth = degrade.pair(photographs)
    return psf, observed, truth


@pytest.fixture(scope="session")
def border_gain():
    """Gain over the input in a band of one PSF radius, in dB."""

    def gain(psf, observed, truth, restored):
        width = max(psf.shape) // 2
        gains = []
        for o, t, r in zip(observed, truth, restored, strict=True):
            band = np.ones(t.shape, dtype=bool)
            band[width:-width, width:-width] = False
            before, after = ((image[band] - t[band]) ** 2 for image in (o, r))
            gains.append(10 * np.log10(before.mean() / after.mean()))
        return np.array(gains)

    return gain
