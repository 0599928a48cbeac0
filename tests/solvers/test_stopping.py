"""Richardson-Lucy with the steps that the noise allows."""

from itertools import islice

import numpy as np
import pytest
import torch
from scipy.signal import fftconvolve
from skimage import data

from skdeconv.operators import Blur, gaussian_psf
from skdeconv.solvers import _stopping
from skdeconv.solvers import richardson_lucy_of_least_risk as stop
from skdeconv.solvers._richardson_lucy import richardson_lucy, scenes
from skdeconv.solvers._tiles import Tiles

PSF = gaussian_psf(1.6)


def observe(noise, photo="camera", side=90):
    margin = len(PSF) - 1
    scene = getattr(data, photo)()[40 : 40 + side + margin, 100 : 100 + side + margin]
    scene = scene.astype(float)
    y = fftconvolve(scene, PSF, mode="valid")
    y = y + noise * np.random.default_rng(0).standard_normal(y.shape)
    r = margin // 2
    pair = y, scene[r : r + side, r : r + side]
    return [torch.from_numpy(image)[None, None] for image in pair]


def known(*stds):
    variance = torch.tensor(stds, dtype=torch.float64) ** 2
    return variance, torch.zeros_like(variance)


@pytest.mark.parametrize("boundary", ["extended", "reflect", "periodic"])
@pytest.mark.parametrize("acceleration", [True, False])
def test_gives_the_image_after_its_number_of_steps(boundary, acceleration, monkeypatch):
    monkeypatch.setattr(_stopping, "Tiles", lambda shape: Tiles(shape, None))
    y = torch.cat([observe(8)[0], observe(2, "moon")[0]])
    blur = Blur(PSF, boundary)
    result = stop(y, blur, known(8, 2), max_iter=40, acceleration=acceleration)
    assert result.risk.shape[0] == 2
    for i, n in enumerate(result.n_iter.tolist()):
        assert np.nanargmin(result.risk[i]) + 1 == n
        single = richardson_lucy(
            y[i : i + 1], blur, max_iter=n, acceleration=acceleration
        )
        torch.testing.assert_close(result.x[i : i + 1], single.x)


@pytest.mark.parametrize("photo", ["camera", "coins"])
def test_near_the_best_and_sooner_where_there_is_more_noise(photo):
    steps = []
    for noise in (1.0, 4.0, 16.0):
        y, truth = observe(noise, photo)
        result = stop(y, Blur(PSF, "extended"), known(noise))
        steps_on = scenes(y, Blur(PSF, "extended"))
        errors = [
            (scene[..., :90, :90] - truth).square().mean()
            for scene in islice(steps_on, 2 * int(result.n_iter) + 4)
        ]
        loss = 10 * torch.log10((result.x - truth).square().mean() / min(errors))
        assert loss < 0.3
        steps.append(int(result.n_iter))
    assert steps[0] > steps[1] > steps[2]


def test_parts_stop_on_their_own():
    # Of sky, which noise spoils soon, and edges, which need many steps.
    y, truth = observe(3, "camera", 180)
    blur = Blur(PSF, "extended")
    result = stop(y, blur, known(3))
    errors = [
        (scene[..., :180, :180] - truth).square().mean().item()
        for scene in islice(scenes(y, blur), 60)
    ]
    assert (result.x - truth).square().mean().item() < 0.97 * min(errors)
    assert 1 < result.n_iter < 60


def test_without_noise_it_goes_on():
    y, _ = observe(0)
    result = stop(y, Blur(PSF, "extended"), known(0), max_iter=30)
    assert result.n_iter == 30


def test_images_do_not_know_each_other():
    y = torch.cat([observe(8)[0], observe(1, "moon")[0]])
    blur = Blur(PSF, "extended")
    together = stop(y, blur, known(8, 1))
    alone = stop(y[:1], blur, known(8))
    assert together.n_iter[0] == alone.n_iter[0]
    torch.testing.assert_close(together.x[:1], alone.x)


def test_large_images_are_probed_in_part(monkeypatch):
    y = torch.cat([observe(8)[0], observe(2, "coins")[0]])
    weight = torch.ones_like(y)
    weight[..., 30:33] = 0
    blur = Blur(PSF, "extended")
    whole = stop(y, blur, known(8, 2), weight=weight)
    monkeypatch.setattr(_stopping, "LOCAL", 3000)
    monkeypatch.setattr(_stopping, "PROBED", 3000)
    part = stop(y, blur, known(8, 2), weight=weight)
    assert ((part.n_iter - whole.n_iter).abs() <= 1 + 0.3 * whole.n_iter).all()


def test_what_has_no_weight_has_no_influence():
    y, _ = observe(5)
    weight = torch.ones_like(y)
    weight[..., 20:40, 20:24] = 0
    blur = Blur(PSF, "extended")
    expected = stop(y, blur, known(5), weight=weight)
    spoiled = stop(y.where(weight > 0, torch.nan), blur, known(5), weight=weight)
    assert torch.equal(spoiled.x, expected.x)
    assert torch.equal(spoiled.n_iter, expected.n_iter)
