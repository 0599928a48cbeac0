import numpy as np
import pytest
import torch
from scipy.ndimage import laplace
from scipy.signal import fftconvolve
from skimage import data

from skdeconv.operators import Blur, disk_psf
from skdeconv.operators._fourier import fast_shape
from skdeconv.solvers._wiener import GAP, wiener

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


def random_psf(shape, seed=0):
    return np.random.default_rng(seed).uniform(size=shape) ** 3


def random_images(shape, dtype=torch.float64, n=2, channels=3):
    generator = torch.Generator().manual_seed(0)
    return torch.rand(n, channels, *shape, generator=generator, dtype=dtype)


def dense(operator, shape):
    """Matrix of an operator on single-channel images of a shape."""
    size = int(np.prod(shape))
    basis = torch.eye(size, dtype=torch.float64).reshape(size, 1, *shape)
    return operator(basis).reshape(size, -1).T


def brute_force(y, psf, boundary, alpha, regularizer):
    shape = tuple(y.shape[2:])
    domain, blur = shape, Blur(psf, boundary)
    if boundary == "extended":
        domain = fast_shape(tuple(n + GAP for n in blur.input_shape(shape)))
        blur = Blur(psf, "periodic")
    mode = "reflect" if boundary == "reflect" else "wrap"
    index = np.arange(np.prod(domain)).reshape(domain)[tuple(map(slice, shape))]
    H = dense(blur, domain)[index.ravel()]
    L = torch.eye(int(np.prod(domain)), dtype=torch.float64)
    if regularizer == "laplacian":
        basis = L.numpy().reshape(-1, *domain)
        L = np.stack([laplace(image, mode=mode) for image in basis])
        L = torch.from_numpy(L.reshape(len(L), -1).T.copy())
    rows = y.flatten(0, 1).flatten(1)
    mean = rows.mean(1, keepdim=True)
    x = torch.linalg.solve(H.T @ H + alpha * L.T @ L, H.T @ (rows - mean).T)
    return (x.T[:, index.ravel()] + mean).reshape(y.shape)


@pytest.mark.parametrize("regularizer", ["laplacian", "identity"])
@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("case", CASES)
def test_is_the_dense_minimiser(case, boundary, regularizer):
    shape, size = CASES[case]
    y, psf = random_images(shape), random_psf(size)
    result = wiener(
        y,
        Blur(psf, boundary),
        alpha=0.01,
        regularizer=regularizer,
        tol=1e-22,
        max_iter=1000,
    )
    expected = brute_force(y, psf, boundary, 0.01, regularizer)
    torch.testing.assert_close(result.x, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("shape", [(12,), (7, 8), (4, 5, 6)])
def test_reflect_is_closed_form_for_a_symmetric_psf(shape):
    psf = np.ones((3,) * len(shape))
    psf[(1,) * len(shape)] = 9
    y = random_images(shape)
    result = wiener(y, Blur(psf, "reflect"), alpha=0.01, tol=1e-12)
    expected = brute_force(y, psf, "reflect", 0.01, "laplacian")
    torch.testing.assert_close(result.x, expected)
    assert result.n_iter == 0


def test_a_rounded_disc_is_symmetric():
    disc, y = Blur(disk_psf(2.3), "reflect"), random_images((20, 21))
    assert wiener(y, disc, alpha=0.01).n_iter == 0
    lopsided = disc.psf.copy()
    lopsided[0] = 0
    assert wiener(y, Blur(lopsided, "reflect"), alpha=0.01).n_iter > 0


@pytest.mark.parametrize("regularizer", ["laplacian", "identity"])
@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_constant_stays(boundary, regularizer, dtype):
    y = torch.full((1, 2, 16, 15), 200.0, dtype=dtype)
    x = wiener(
        y, Blur(random_psf((4, 3)), boundary), alpha=1e-3, regularizer=regularizer
    ).x
    assert x.dtype == dtype
    torch.testing.assert_close(x, y)


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_scale_and_shift_equivariance(boundary):
    y, blur = random_images((20, 21)), Blur(random_psf((5, 4)), boundary)
    x = wiener(y, blur, alpha=1e-2).x
    moved = wiener(255 * y + 7, blur, alpha=1e-2).x
    torch.testing.assert_close(moved, 255 * x + 7)


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_images_and_channels_are_independent(boundary):
    y, blur = random_images((20, 21)), Blur(random_psf((5, 4)), boundary)
    y[0] *= 0.01
    x = wiener(y, blur, alpha=1e-2).x
    torch.testing.assert_close(x[1:, 2:], wiener(y[1:, 2:], blur, alpha=1e-2).x)


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_alpha_per_image(boundary):
    y, blur = random_images((20, 21)), Blur(random_psf((5, 4)), boundary)
    alpha = torch.tensor([1e-3, 1e-1]).reshape(2, 1, 1, 1)
    x = wiener(y, blur, alpha=alpha).x
    torch.testing.assert_close(x[:1], wiener(y[:1], blur, alpha=1e-3).x)
    torch.testing.assert_close(x[1:], wiener(y[1:], blur, alpha=1e-1).x)


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_a_delta_returns_the_image(boundary):
    y = random_images((16, 15))
    delta = np.zeros((3, 3))
    delta[1, 1] = 1
    torch.testing.assert_close(wiener(y, Blur(delta, boundary), alpha=1e-12).x, y)


def test_without_blur_is_denoising_with_mirrored_borders():
    y = random_images((9, 8))
    expected = wiener(y, Blur(np.ones((1, 1)), "reflect"), alpha=0.3)
    torch.testing.assert_close(wiener(y, None, alpha=0.3).x, expected.x)
    assert expected.n_iter <= 1


@pytest.mark.parametrize("shape", [(2,), (1,), (2, 2)])
@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_tiny_images(shape, boundary):
    psf = np.array([0.25, 0.75]).reshape(2, *[1] * (len(shape) - 1))
    x = wiener(random_images(shape), Blur(psf, boundary), alpha=0.1).x
    assert x.isfinite().all()


@pytest.mark.parametrize("noise_std", [0.5, 2.55])
@pytest.mark.parametrize("photo", ["camera", "moon", "coins"])
@pytest.mark.parametrize("size", [7, 21])
def test_border_band_is_no_worse_than_the_input(photo, noise_std, size):
    scene = getattr(data, photo)()[50:250, 50:250].astype(float)
    ramp = np.arange(1, size + 1.0)
    psf = np.minimum(ramp, ramp[::-1])[:, None] * (ramp + size)
    psf /= psf.sum()
    radius = size // 2
    y = fftconvolve(scene, psf, mode="valid")
    y += noise_std * np.random.default_rng(0).standard_normal(y.shape)
    y = torch.from_numpy(y).float()[None, None]
    truth = torch.from_numpy(scene[radius:-radius, radius:-radius])
    x = wiener(y, Blur(psf, "extended"), alpha=0.1).x

    def band_error(image):
        error = (image[0, 0] - truth) ** 2
        error[radius:-radius, radius:-radius] = 0
        return error.sum()

    assert band_error(x) < band_error(y)


def test_extended_needs_few_iterations():
    scene = torch.from_numpy(data.camera()[:136, :136] / 255).float()[None, None]
    blur = Blur(random_psf((9, 9)), "extended")
    noise = torch.randn(128, 128, generator=torch.Generator().manual_seed(0)) / 100
    result = wiener(blur(scene) + noise, blur, alpha=1e-2)
    assert result.converged.all()
    assert result.n_iter <= 15


def test_says_when_it_did_not_converge():
    y = random_images((32, 32))
    result = wiener(
        y, Blur(random_psf((7, 7)), "extended"), alpha=1e-6, tol=1e-12, max_iter=2
    )
    assert result.n_iter == 2
    assert result.converged.shape == (2, 3)
    assert not result.converged.any()


def test_refuses_an_unknown_regularizer():
    with pytest.raises(ValueError, match="regularizer must be one of"):
        wiener(random_images((8, 8)), None, alpha=1, regularizer="tv")
