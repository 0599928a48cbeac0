"""What restorers of any operator share."""

import numpy as np
import pytest
import torch

from skdeconv import LeastSquaresRestorer, SparseCodingRestorer, TotalVariationRestorer
from skdeconv.datasets import load_photographs
from skdeconv.estimation import risk_scorer
from skdeconv.operators import Blur, Downsample, gaussian_psf

KINDS = [LeastSquaresRestorer, SparseCodingRestorer, TotalVariationRestorer]
PSF = gaussian_psf(1.2)


@pytest.fixture(scope="module")
def scene():
    margin = PSF.shape[0] - 1
    image = load_photographs("test").images[0][: 56 + margin, : 48 + margin]
    return torch.from_numpy(image[None, None] / 255.0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("outer", [None, Downsample(2, "area")])
def test_extended_blurs_answer_the_image_and_not_its_surroundings(kind, outer, scene):
    blur = Blur(PSF, "extended")
    operator = blur if outer is None else outer @ blur
    data = operator(scene)[0].numpy()
    half = PSF.shape[0] // 2
    truth = scene[0, :, half:-half, half:-half].numpy()
    restorer = kind(operator=operator, alpha=1e-3).fit(data, truth)
    restored = restorer.predict(data)
    assert restored.shape == truth.shape == (1, 56, 48)
    assert restorer.score(data, truth) > 25
    shifted = np.roll(truth, 1, 2)
    assert np.square(restored - truth).mean() < np.square(restored - shifted).mean()
    assert np.isfinite(risk_scorer(restorer, data))
    if outer is None:
        by_psf = kind(PSF, alpha=1e-3).fit(data).predict(data)
        assert np.abs(by_psf - restored).mean() < 0.02
