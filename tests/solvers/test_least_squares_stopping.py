"""Least squares with the iterations that the noise allows."""

import numpy as np
import pytest
import torch
from scipy.signal import fftconvolve
from skimage import data

from skdeconv.operators import Blur, gaussian_psf
from skdeconv.solvers import least_squares
from skdeconv.solvers import least_squares_of_least_risk as stop

PSF = gaussian_psf(1.6)
BLUR = Blur(PSF, "extended")
METHODS = [("cg", False), ("fista", True), ("landweber", False)]


def observe(noise, photo="camera", side=80):
    margin = len(PSF) - 1
    scene = getattr(data, photo)()[40 : 40 + side + margin, 100 : 100 + side + margin]
    y = fftconvolve(scene.astype(float), PSF, mode="valid")
    y = y + noise * np.random.default_rng(0).standard_normal(y.shape)
    pair = y, scene.astype(float)
    return [torch.from_numpy(image)[None, None] for image in pair]


def levels(*stds):
    return torch.tensor(stds, dtype=torch.float64)


@pytest.mark.parametrize(("method", "nonnegative"), METHODS)
def test_gives_the_image_after_its_number_of_iterations(method, nonnegative):
    y = torch.cat([observe(8)[0], observe(3, "moon")[0]])
    options = {"method": method, "nonnegative": nonnegative}
    std = levels(8, 3)
    result = stop(y, BLUR, level=std, noise_std=std, max_iter=40, **options)
    for i, n in enumerate(result.n_iter.tolist()):
        assert np.nanargmin(result.risk[i]) + 1 == n
        single = least_squares(y[i : i + 1], BLUR, tol=0, max_iter=n, **options)
        torch.testing.assert_close(result.x[i : i + 1], single.x)


@pytest.mark.parametrize(("method", "nonnegative"), METHODS)
@pytest.mark.parametrize("known", [True, False])
def test_near_the_best_and_sooner_where_there_is_more_noise(method, nonnegative, known):
    counts, options = [], {"method": method, "nonnegative": nonnegative}
    for noise in (3.0, 12.0):
        y, truth = observe(noise)
        std, errors = levels(noise), []

        def look(scene, errors=errors, truth=truth):
            errors.append((scene - truth).square()[..., 6:-6, 6:-6].mean())
            return torch.ones(1, dtype=torch.bool)

        least_squares(y, BLUR, tol=0, max_iter=100, look=look, **options)
        result = stop(
            y,
            BLUR,
            level=std,
            noise_std=std if known else None,
            max_iter=100,
            **options,
        )
        error = (result.x - truth).square()[..., 6:-6, 6:-6].mean()
        assert 10 * torch.log10(error / min(errors)) < 0.3
        counts.append(int(result.n_iter))
    assert counts[0] > counts[1]


def test_images_do_not_know_each_other():
    y, std = torch.cat([observe(8)[0], observe(2, "moon")[0]]), levels(8, 2)
    together = stop(y, BLUR, level=std, noise_std=std)
    alone = stop(y[:1], BLUR, level=std[:1], noise_std=std[:1])
    assert together.n_iter[0] == alone.n_iter[0]
    torch.testing.assert_close(together.x[:1], alone.x)


def test_what_has_no_weight_has_no_influence():
    (y, _), std = observe(5), levels(5)
    weight = torch.ones_like(y)
    weight[..., 20:40, 20:24] = 0
    expected = stop(y, BLUR, level=std, noise_std=std, weight=weight)
    spoiled = stop(
        y + 900 * (1 - weight), BLUR, level=std, noise_std=std, weight=weight
    )
    assert torch.equal(spoiled.x, expected.x)


def test_constant_images_need_no_iteration():
    y = torch.full((1, 1, 30, 30), 5.0, dtype=torch.float64)
    result = stop(y, BLUR, level=levels(0), noise_std=levels(0))
    torch.testing.assert_close(result.x, torch.full_like(result.x, 5))
