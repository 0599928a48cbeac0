from itertools import islice

import numpy as np
import pytest
import torch
from scipy.signal import fftconvolve
from skimage import data

from skdeconv.operators import Blur
from skdeconv.solvers._richardson_lucy import richardson_lucy, scenes
from skdeconv.solvers._tv_step import ROUND

# PSFs here are random: neither of sum 1 nor centred.
pytestmark = pytest.mark.filterwarnings("ignore::skdeconv.exceptions.PSFWarning")

BOUNDARIES = ["periodic", "reflect", "extended"]
CASES = {
    "1d-odd": ((9,), (3,)),
    "1d-even": ((8,), (4,)),
    "2d-odd": ((5, 6), (3, 5)),
    "2d-even": ((6, 5), (2, 3)),
    "3d": ((3, 2, 3), (2, 3, 2)),
}
acceleration = pytest.mark.parametrize("acceleration", [False, True])
boundary = pytest.mark.parametrize("boundary", BOUNDARIES)


def random_psf(shape, seed=0):
    return np.random.default_rng(seed).uniform(0.1, 1, size=shape) ** 2


def random_images(shape, dtype=torch.float64, n=2, channels=3):
    generator = torch.Generator().manual_seed(0)
    return torch.rand(n, channels, *shape, generator=generator, dtype=dtype)


def log_likelihood(y, blurred):
    return (torch.xlogy(y, blurred) - blurred).sum()


@pytest.mark.parametrize("case", CASES)
@boundary
def test_is_the_textbook_iteration(case, boundary):
    shape, size = CASES[case]
    y, blur = random_images(shape), Blur(random_psf(size), boundary)
    domain = blur.input_shape(shape)
    index = np.arange(np.prod(domain))
    basis = torch.eye(len(index), dtype=torch.float64).reshape(-1, 1, *domain)
    H = blur(basis).reshape(len(index), -1).T
    margins = blur.margins if boundary == "extended" else [(0, 0)] * len(shape)
    inside = np.ix_(
        *[range(b, b + n) for n, (b, _) in zip(shape, margins, strict=True)]
    )
    data = y.flatten(2)
    x = data.mean(-1, keepdim=True).expand(*y.shape[:2], len(index))
    flux = H.sum(0)
    for _ in range(7):
        update = torch.where(flux < 1e-3, 1, (data / (x @ H.T)) @ H / flux)
        x = x * update
    expected = x[..., index.reshape(domain)[inside].ravel()].reshape(y.shape)
    result = richardson_lucy(y, blur, max_iter=7, acceleration=False)
    torch.testing.assert_close(result.x, expected)
    assert result.n_iter == 7


@acceleration
@pytest.mark.parametrize("boundary", ["periodic", "reflect"])
def test_keeps_the_flux(boundary, acceleration):
    y, blur = random_images((24, 21)), Blur(random_psf((5, 4)), boundary)
    x = richardson_lucy(y, blur, max_iter=9, acceleration=acceleration).x
    weighted = x * blur.adjoint(torch.ones_like(y))
    axes = (-2, -1)
    torch.testing.assert_close(weighted.sum(axes), y.sum(axes))


@acceleration
def test_keeps_the_flux_of_an_extended_scene(acceleration):
    # Dark margins: nothing of the scene lies beyond the frame that is returned.
    y = torch.zeros(1, 1, 40, 40, dtype=torch.float64)
    y[..., 12:28, 12:28] = random_images((16, 16), n=1, channels=1)
    blur = Blur(random_psf((5, 4)), "extended")
    x = richardson_lucy(y, blur, max_iter=20, acceleration=acceleration).x
    scene = torch.nn.functional.pad(x, (1, 2, 2, 2))
    weighted = scene * blur.adjoint(torch.ones_like(y))
    torch.testing.assert_close(weighted.sum(), y.sum(), rtol=1e-4, atol=0)


@acceleration
@boundary
def test_scale_equivariance(boundary, acceleration):
    y, blur = random_images((20, 21)), Blur(random_psf((5, 4)), boundary)
    x = richardson_lucy(y, blur, acceleration=acceleration).x
    scaled = richardson_lucy(60000 * y, blur, acceleration=acceleration).x
    torch.testing.assert_close(scaled, 60000 * x)


@acceleration
@boundary
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_constant_stays(boundary, acceleration, dtype):
    y = torch.full((1, 2, 16, 15), 200.0, dtype=dtype)
    x = richardson_lucy(
        y, Blur(random_psf((4, 3)), boundary), acceleration=acceleration
    ).x
    assert x.dtype == dtype
    torch.testing.assert_close(x, y, rtol=1e-5, atol=0)


@acceleration
@boundary
@pytest.mark.parametrize("size", [1, 3])
def test_a_delta_returns_the_image(boundary, acceleration, size):
    y = random_images((16, 15))
    delta = np.zeros((size, size))
    delta[size // 2, size // 2] = 1
    x = richardson_lucy(y, Blur(delta, boundary), acceleration=acceleration).x
    torch.testing.assert_close(x, y)


@acceleration
@boundary
def test_images_and_channels_are_independent(boundary, acceleration):
    y, blur = random_images((20, 21)), Blur(random_psf((5, 4)), boundary)
    settings = {"max_iter": 30, "tol": 1e-2, "acceleration": acceleration}
    y[0] *= 0.01
    x = richardson_lucy(y, blur, **settings).x
    alone = richardson_lucy(y[1:, 2:], blur, **settings).x
    torch.testing.assert_close(x[1:, 2:], alone)


def test_tol_stops():
    y, blur = random_images((20, 21)), Blur(random_psf((5, 4)), "extended")
    result = richardson_lucy(y, blur, max_iter=1000, tol=1e-2)
    assert result.n_iter < 1000
    assert result.converged.shape == (2, 3)
    assert result.converged.all()
    assert not richardson_lucy(y, blur, max_iter=2, tol=1e-9).converged.any()


@acceleration
@boundary
def test_survives_hard_data(boundary, acceleration):
    y = torch.zeros(6, 1, 32, 31)
    y[1, 0, 16, 16] = 60000
    y[2, 0, 0, 0] = 1
    y[3, 0, :, 16:] = 60000
    y[4] = torch.poisson(torch.full((1, 32, 31), 0.1))
    y[5] = torch.linspace(-5, 5, 31)
    x = richardson_lucy(
        y, Blur(random_psf((7, 6)), boundary), max_iter=200, acceleration=acceleration
    ).x
    assert x.isfinite().all()
    assert (x >= 0).all()
    assert (x[0] == 0).all()


def test_leaves_the_data_alone():
    y = random_images((16, 16)) - 0.5
    before = y.clone()
    positive = richardson_lucy(y.clamp_min(0), Blur(random_psf((3, 3)))).x
    torch.testing.assert_close(richardson_lucy(y, Blur(random_psf((3, 3)))).x, positive)
    assert torch.equal(y, before)


@pytest.mark.parametrize("photons", [None, 500, 30])
@pytest.mark.parametrize("photo", ["camera", "moon", "coins"])
def test_25_accelerated_steps_reach_100_plain_ones(photo, photons):
    scene = getattr(data, photo)()[50:200, 50:200] / 255 + 0.01
    i = np.arange(-7, 8.0)
    psf = np.exp(-(i**2) / 8)[:, None] * np.exp(-((i - 1) ** 2) / 12)
    y = fftconvolve(scene, psf / psf.sum(), mode="valid")
    if photons:
        y = np.random.default_rng(0).poisson(y * photons) / photons
    y, blur = torch.from_numpy(y)[None, None], Blur(psf, "reflect")
    plain = richardson_lucy(y, blur, max_iter=100, acceleration=False).x
    fast = richardson_lucy(y, blur, max_iter=25).x
    assert log_likelihood(y, blur(fast)) >= log_likelihood(y, blur(plain))


@pytest.mark.parametrize("photo", ["camera", "moon", "coins"])
def test_border_band_is_no_worse_than_the_input(photo):
    size, radius = 15, 7
    scene = getattr(data, photo)()[50:250, 50:250].astype(float)
    ramp = np.arange(1, size + 1.0)
    psf = np.minimum(ramp, ramp[::-1])[:, None] * (ramp + size)
    y = fftconvolve(scene, psf / psf.sum(), mode="valid")
    y = torch.from_numpy(y + np.random.default_rng(0).standard_normal(y.shape))
    y = y[None, None].float()
    truth = torch.from_numpy(scene[radius:-radius, radius:-radius])
    x = richardson_lucy(y, Blur(psf, "extended")).x

    def band_error(image):
        error = (image[0, 0] - truth) ** 2
        error[radius:-radius, radius:-radius] = 0
        return error.sum()

    assert band_error(x) < band_error(y)


def random_weight(shape, holes=0.2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    weight = torch.rand(2, 1, *shape, generator=generator, dtype=torch.float64)
    return torch.where(weight < holes, 0, weight)


@boundary
@pytest.mark.parametrize("background", [0.0, 0.2])
@pytest.mark.parametrize("tv_weight", [0.0, 1e-3, 0.3, 1e4])
def test_no_plain_step_raises_the_objective(boundary, background, tv_weight):
    shape = (18, 17)
    y, blur = random_images(shape), Blur(random_psf((5, 4)), boundary)
    y, weight = y * 40, random_weight(shape)
    domain = blur.input_shape(shape)

    def objective(scene):
        if boundary == "extended":  # the margin before the frame is at the grid's end
            margins = [b for b, _ in blur.margins]
            scene = scene.roll(margins, (-2, -1))[..., : domain[0], : domain[1]]
        model = blur(scene) + background
        return (weight * (model - torch.xlogy(y, model))).sum((-2, -1))

    values, penalty = [], []
    steps = scenes(
        y,
        blur,
        weight=weight,
        background=background,
        tv_weight=tv_weight,
        acceleration=False,
    )
    mean = (weight * y).sum((-2, -1), keepdim=True) / weight.sum((-2, -1), keepdim=True)
    mean = mean - background
    for scene in islice(steps, 30):
        assert (scene >= 0).all()
        values.append(objective(scene))
        penalty.append(total_variation(scene, mean))
    values = torch.stack(values) + tv_weight * torch.stack(penalty)
    assert (values.diff(dim=0) <= 1e-9 * values[0].abs()).all()


def total_variation(x, mean):
    steepness = (ROUND * mean) ** 2
    steepness = steepness.expand_as(x).clone()
    steepness[..., :-1, :] += x.diff(dim=-2) ** 2
    steepness[..., :-1] += x.diff(dim=-1) ** 2
    return steepness.sqrt().sum((-2, -1))


@acceleration
@pytest.mark.parametrize("boundary", ["periodic", "reflect"])
def test_keeps_the_flux_of_what_is_weighted(boundary, acceleration):
    y, blur = random_images((24, 21)), Blur(random_psf((5, 4)), boundary)
    weight = random_weight((24, 21))
    x = richardson_lucy(y, blur, weight=weight, acceleration=acceleration).x
    seen = blur.adjoint(weight.expand_as(y)) * x
    torch.testing.assert_close(seen.sum((-2, -1)), (weight * y).sum((-2, -1)))


@boundary
@pytest.mark.parametrize("tv_weight", [0.0, 0.05])
def test_what_has_no_weight_has_no_influence(boundary, tv_weight):
    y, blur = random_images((24, 21)), Blur(random_psf((5, 4)), boundary)
    weight = random_weight((24, 21))
    weight[..., 3:15, 3:15] = 0  # more than the PSF spans: nothing sees the middle
    settings = {"weight": weight, "tv_weight": tv_weight, "max_iter": 20}
    expected = richardson_lucy(y, blur, **settings).x
    for garbage in (torch.nan, torch.inf, -1e30, 1e30):
        spoiled = torch.where(weight > 0, y, garbage)
        assert torch.equal(richardson_lucy(spoiled, blur, **settings).x, expected)
    assert expected.isfinite().all()
    assert (expected < 50).all()


@boundary
def test_equal_weights_are_no_weights(boundary):
    y, blur = random_images((24, 21)), Blur(random_psf((5, 4)), boundary)
    x = richardson_lucy(y, blur, weight=torch.ones_like(y[:, :1])).x
    torch.testing.assert_close(x, richardson_lucy(y, blur).x)


@acceleration
def test_takes_a_background_off(acceleration):
    generator = np.random.default_rng(0)
    scene = np.zeros((40, 40))
    scene[generator.integers(8, 32, 20), generator.integers(8, 32, 20)] = 100
    blur = Blur(np.outer([1, 2, 1], [1, 3, 1]), "periodic")
    truth = torch.from_numpy(scene)[None, None]
    y = blur(truth) + 7
    settings = {"max_iter": 200, "acceleration": acceleration}
    x = richardson_lucy(y, blur, background=7.0, **settings).x
    assert (x.sum() / truth.sum() - 1).abs() < 0.05
    bright = richardson_lucy(y, blur, **settings).x - 7
    assert (x - truth).square().sum() < 0.7 * (bright - truth).square().sum()
    dark = richardson_lucy(y * 0 + 3, blur, background=7.0, **settings).x
    assert dark.isfinite().all()
    assert dark.max() < 1e-3


@acceleration
@boundary
@pytest.mark.parametrize("tv_weight", [1e-2, 1.0, 1e9])
def test_penalty_on_hard_data(boundary, acceleration, tv_weight):
    y = torch.zeros(4, 1, 32, 31)
    y[1, 0, 16, 16] = 60000
    y[2, 0, :, 16:] = 60000
    y[3] = torch.linspace(-5, 5, 31)
    blur = Blur(random_psf((7, 6)), boundary)
    settings = {"max_iter": 50, "acceleration": acceleration, "tv_weight": tv_weight}
    x = richardson_lucy(y, blur, **settings).x
    assert x.isfinite().all()
    assert (x >= 0).all()
    assert x[0].max() == 0
    # A power of two, or rounding would tell: many of these pixels are nearly dark.
    larger = richardson_lucy(1024 * y, blur, **settings).x
    torch.testing.assert_close(larger, 1024 * x, rtol=1e-4, atol=1e-2)


@acceleration
def test_penalty_helps_after_many_steps(acceleration):
    scene = data.camera()[50:182, 50:182].astype(float)
    psf = random_psf((5, 5))
    blurred = fftconvolve(scene, psf / psf.sum(), mode="valid")
    y = np.random.default_rng(0).poisson(blurred / 4) * 4.0
    y, truth = torch.from_numpy(y)[None, None], torch.from_numpy(scene[2:-2, 2:-2])
    settings = {"max_iter": 100, "acceleration": acceleration}
    free, held = (
        richardson_lucy(y, Blur(psf, "extended"), tv_weight=weight, **settings).x
        for weight in (0.0, 0.03)
    )
    error = [float((x - truth).square().mean()) for x in (free, held)]
    assert error[1] < 0.4 * error[0]
    assert abs(float(held.mean() / y.mean()) - 1) < 0.02


@acceleration
@boundary
@pytest.mark.parametrize(
    ("shape", "size"),
    [((1, 24), (1, 5)), ((24, 1), (5, 1)), ((1, 1), (1, 1)), ((16, 15), (14, 15))],
)
@pytest.mark.parametrize("tv_weight", [0.0, 0.05])
def test_thin_images_and_large_psfs(boundary, acceleration, shape, size, tv_weight):
    y, blur = random_images(shape), Blur(random_psf(size), boundary)
    settings = {"max_iter": 40, "acceleration": acceleration, "tv_weight": tv_weight}
    x = richardson_lucy(y, blur, **settings).x
    assert x.isfinite().all()
    assert (x >= 0).all()
    if shape == (1, 1):
        torch.testing.assert_close(x, y)
