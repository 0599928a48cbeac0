"""Few photons are known by their steps."""

import warnings

import numpy as np
import pytest
import torch
from skimage import data

from skdeconv import PretrainedDenoiser, TotalVariationRestorer, WienerRestorer
from skdeconv.estimation import estimate_noise_curve, estimate_noise_std
from skdeconv.estimation._counts import photon_step

SCENE = data.camera()[::4, ::4] / 255.0


def image(array):
    return torch.from_numpy(np.asarray(array, np.float64))[None, None]


@pytest.mark.parametrize("mean", [0.02, 0.5, 2.0])
@pytest.mark.parametrize("unit", [0.01, 1.0, 7.0])
def test_photons_are_found(mean, unit):
    scene = mean * SCENE / SCENE.mean()
    x = image(unit * np.random.default_rng(0).poisson(scene))
    assert photon_step(x, 2).item() == pytest.approx(unit)
    assert photon_step(x.float(), 2).item() == pytest.approx(unit, rel=1e-5)
    level = estimate_noise_std(x, 2).item()
    assert level == pytest.approx(unit * np.sqrt(mean), rel=0.1)
    curve = estimate_noise_curve(x, 2)
    assert curve.grows.all()
    assert curve.gain.item() == pytest.approx(unit)


@pytest.mark.parametrize(
    "drawn",
    [
        data.horse(),
        data.page() > 150,
        data.binary_blobs(128, rng=0),
        np.indices((64, 64)).sum(0) % 2,
        data.camera() // 60,
        data.moon() // 40,
        np.zeros((32, 32)),
        -np.random.default_rng(0).poisson(SCENE),
        np.random.default_rng(0).poisson(200 * SCENE),
        np.random.default_rng(0).poisson(SCENE) + 0.1 * SCENE,
    ],
)
def test_drawings_and_much_light_are_no_photons(drawn):
    assert photon_step(image(drawn), 2).item() == 0


def test_hidden_pixels_do_not_count():
    x = image(np.random.default_rng(0).poisson(SCENE))
    seen = (torch.rand(x.shape, generator=torch.Generator().manual_seed(0)) > 0.3).to(x)
    garbage = torch.where(seen > 0, x, 0.123)
    assert photon_step(garbage, 2).item() == 0
    assert photon_step(garbage, 2, seen).item() == 1
    first, second = (
        estimate_noise_curve(v, 2, weight=seen)
        for v in (garbage, torch.where(seen > 0, x, -9.0))
    )
    assert torch.equal(torch.stack(first[:-1]), torch.stack(second[:-1]))


def test_each_image_for_itself():
    photons = image(np.random.default_rng(0).poisson(SCENE))
    both = torch.cat([photons, image(SCENE)])
    assert photon_step(both, 2).tolist() == [1, 0]
    assert estimate_noise_curve(both, 2).grows.tolist() == [True, False]


def error(restored, truth):
    return np.square(restored - truth).mean()


def test_single_photons_are_denoised_without_being_told():
    truth = SCENE[None]
    x = np.random.default_rng(0).poisson(truth).astype(float)
    alone = PretrainedDenoiser(data_range=1.0)
    told = PretrainedDenoiser(0, gain=1.0, data_range=1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        alone, told = (error(r.fit(x).predict(x), truth) for r in (alone, told))
    assert alone < 1.1 * told < 0.1 * error(x, truth)


@pytest.mark.parametrize(
    ("kind", "factor"), [(TotalVariationRestorer, 1.5), (WienerRestorer, 1.1)]
)
def test_strengths_suit_noise_that_grows(kind, factor):
    truth = data.camera()[40:440:2, 20:420:2][None] * (20 / 255)
    x = np.random.default_rng(0).poisson(truth).astype(float)
    alone = error(kind(data_range=20.0).fit(x).predict(x), truth)
    taught = error(kind(data_range=20.0).fit(x, truth).predict(x), truth)
    assert alone < factor * taught
