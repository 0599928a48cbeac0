import numpy as np
import pytest
import torch
from skimage import data
from sklearn.linear_model import orthogonal_mp

from skdeconv.estimation import sparse_alpha
from skdeconv.operators import Blur
from skdeconv.solvers import _sparse_coding
from skdeconv.solvers._sparse_coding import (
    orthogonal_matching_pursuit,
    overcomplete_dct,
    refine_dictionary,
    sparse_denoise,
)
from skdeconv.solvers._sparse_deconvolution import (
    cosine_frame,
    cosine_frame_adjoint,
    patch_waves,
    sparse_deconvolve,
)

# PSFs here are random: neither of sum 1 nor centred.
pytestmark = pytest.mark.filterwarnings("ignore::skdeconv.exceptions.PSFWarning")


def random(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def psnr(a, b):
    return -10 * torch.log10((a - b).square().mean()).item()


@pytest.fixture(scope="module")
def camera():
    return torch.from_numpy(data.camera()[100:228, 180:308] / 255.0)[None, None]


@pytest.fixture(scope="module")
def psf():
    kernel = np.outer(np.hanning(9)[1:-1], np.hanning(7)[1:-1])
    kernel[0, 0] += 0.3
    return kernel / kernel.sum()


# orthogonal matching pursuit


def test_pursuit_agrees_with_scikit_learn_at_a_number_of_atoms():
    dictionary = torch.nn.functional.normalize(random(30, 12), dim=1)
    signals = random(40, 12, seed=1)
    codes = orthogonal_matching_pursuit(signals, dictionary, torch.zeros(40), 4)
    expected = orthogonal_mp(dictionary.T.numpy(), signals.T.numpy(), n_nonzero_coefs=4)
    np.testing.assert_allclose(codes, expected.T, atol=1e-10)


def test_pursuit_agrees_with_scikit_learn_at_a_tolerance(monkeypatch):
    monkeypatch.setattr(_sparse_coding, "CHUNK", 7)
    dictionary = torch.nn.functional.normalize(random(30, 12), dim=1)
    signals = random(40, 12, seed=1)
    codes = orthogonal_matching_pursuit(signals, dictionary, torch.full((40,), 2.0))
    expected = orthogonal_mp(dictionary.T.numpy(), signals.T.numpy(), tol=2.0)
    np.testing.assert_allclose(codes, expected.T, atol=1e-10)


def test_pursuit_takes_each_signal_to_its_own_tolerance():
    dictionary = torch.nn.functional.normalize(random(30, 12), dim=1).float()
    signals = random(40, 12, seed=1).float()
    tol = torch.linspace(0, 20, 40)
    codes = orthogonal_matching_pursuit(signals, dictionary, tol)
    residual = (signals - codes @ dictionary).square().sum(1)
    assert (residual <= tol + 1e-8).all()
    done = signals.square().sum(1) <= tol
    assert (codes[done] == 0).all()


def test_pursuit_stops_where_the_dictionary_ends():
    dictionary = torch.eye(3, dtype=torch.float64)[:2]
    codes = orthogonal_matching_pursuit(random(5, 3), dictionary, torch.zeros(5))
    torch.testing.assert_close(codes, random(5, 3)[:, :2])


def test_pursuit_of_a_dictionary_of_repeated_atoms_is_finite():
    dictionary = torch.eye(4, dtype=torch.float64)[[0, 0, 1, 1]]
    codes = orthogonal_matching_pursuit(random(5, 4), dictionary, torch.zeros(5))
    torch.testing.assert_close((codes @ dictionary)[:, :2], random(5, 4)[:, :2])


# dictionaries


@pytest.mark.parametrize("size", [(8,), (4, 5), (3, 1, 2)])
def test_cosine_dictionary_has_unit_atoms_that_span_all_patches(size):
    dictionary = overcomplete_dct(size, 40)
    assert len(dictionary) >= 40 or 1 in size
    torch.testing.assert_close(
        dictionary.norm(dim=1), torch.ones(len(dictionary)).double()
    )
    assert torch.linalg.matrix_rank(dictionary) == np.prod(size)
    torch.testing.assert_close(
        dictionary[1:].mean(1).abs().max(), torch.tensor(0.0).double()
    )


def test_refining_lowers_what_the_codes_cost():
    truth = torch.nn.functional.normalize(random(12, 8), dim=1)
    codes = random(500, 12, seed=1) * (random(500, 12, seed=2) > 1.2)
    signals, tol = codes @ truth, torch.full((500,), 1e-3)
    start = overcomplete_dct((8,), 12)
    fitted = refine_dictionary(start, signals, tol)
    before, after = (
        (orthogonal_matching_pursuit(signals, d, tol) != 0).sum()
        for d in (start, fitted)
    )
    torch.testing.assert_close(fitted.norm(dim=1), torch.ones(12).double())
    assert after < before


# denoising


def denoise(y, sigma, size=8):
    size = (min(size, min(y.shape[2:])),) * (y.ndim - 2)
    sigma = torch.full((len(y),), sigma, dtype=y.dtype)
    return sparse_denoise(y, sigma, overcomplete_dct(size, 64).to(y), patch_size=size).x


def test_denoising_gains_on_a_photograph(camera):
    y = camera + 25 / 255 * random(*camera.shape)
    assert psnr(denoise(y, 25 / 255), camera) > psnr(y, camera) + 7.5


@pytest.mark.parametrize(
    "shape", [(1, 1, 50), (2, 3, 11, 13), (1, 2, 6, 7, 8), (1, 1, 2)]
)
def test_denoising_scales_and_keeps_constants(shape):
    y = random(*shape)
    torch.testing.assert_close(denoise(4 * y, 4.0, 4), 4 * denoise(y, 1.0, 4))
    flat = torch.full(shape, 0.3, dtype=torch.float64)
    torch.testing.assert_close(denoise(flat, 0.1, 4), flat)
    torch.testing.assert_close(denoise(y, 0.0, 4), y)


def test_slabs_do_not_show(camera, monkeypatch):
    y = camera[..., :40, :40] + 0.1 * random(40, 40)
    whole = denoise(y, 0.1)
    monkeypatch.setattr(
        _sparse_coding, "_slabs",
        lambda x, size: [slice(i, i + 8) for i in range(x.shape[2] - 7)],
    )  # fmt: skip
    torch.testing.assert_close(denoise(y, 0.1), whole)


# deblurring


@pytest.mark.parametrize("shape", [(9,), (7, 8), (4, 5, 6), (2, 1)])
def test_frame_is_tight(shape):
    ndim = len(shape)
    waves = patch_waves(4, ndim)
    x = random(2, 1, *shape)
    coefficients = cosine_frame(x, waves)
    assert coefficients.shape == (2, 1, 4**ndim, *shape)
    torch.testing.assert_close(cosine_frame_adjoint(coefficients, waves), x)
    other = random(*coefficients.shape, seed=1)
    torch.testing.assert_close(
        (coefficients * other).sum(),
        (x * cosine_frame_adjoint(other, waves)).sum(),
    )


def test_deconvolution_minimises_its_objective():
    blur = Blur([0.2, 0.5, 0.3], boundary="periodic")
    y, alpha, waves = random(1, 1, 12), 0.05, patch_waves(4, 1)

    def objective(x):
        penalty = cosine_frame(x, waves)[:, :, 1:].abs().sum()
        return 0.5 * (blur(x) - y).square().sum() + alpha * penalty

    values = [
        objective(sparse_deconvolve(y, blur, alpha=alpha, max_iter=n, tol=0).x).item()
        for n in (5, 30, 300, 3000)
    ]
    assert values == sorted(values, reverse=True)
    assert values[-1] < objective(y)
    # Nowhere near is lower: convex, so nowhere at all.
    x = sparse_deconvolve(y, blur, alpha=alpha, max_iter=3000, tol=0).x
    for seed in range(200):
        step = random(1, 1, 12, seed=seed)
        for length in (1e-1, 1e-3):
            assert objective(x + length * step) >= values[-1] - 1e-9


def test_deblurring_gains_also_at_the_border(camera, psf):
    blur = Blur(psf, boundary="extended")
    truth = camera[..., 3:-3, 2:-2]
    sigma = torch.tensor([2.55 / 255], dtype=torch.float64)
    y = blur(camera) + sigma * random(*truth.shape)
    alpha = sparse_alpha(y, psf, sigma)[0][:, None]
    x = sparse_deconvolve(y, blur, alpha=alpha).x
    band = torch.ones(truth.shape, dtype=torch.bool)
    band[..., 3:-3, 3:-3] = False
    assert psnr(x, truth) > psnr(y, truth) + 2.5
    assert psnr(x[band], truth[band]) > psnr(y[band], truth[band])


@pytest.mark.parametrize("boundary", ["extended", "periodic"])
@pytest.mark.parametrize("shape", [(2,), (20,), (9, 10), (4, 5, 6)])
def test_deblurring_scales_and_keeps_constants(shape, boundary):
    psf = torch.arange(1.0, 1 + 2 ** len(shape)).reshape((2,) * len(shape))
    blur = Blur(psf.numpy(), boundary=boundary)
    y = random(2, 2, *shape)
    sigma = torch.full((2,), 0.1, dtype=torch.float64)
    alphas = [sparse_alpha(k * y, psf.numpy(), k * sigma)[0][:, None] for k in (1, 100)]
    torch.testing.assert_close(alphas[1], 100 * alphas[0])
    once, scaled = (
        sparse_deconvolve(k * y, blur, alpha=alpha).x
        for k, alpha in zip((1, 100), alphas, strict=True)
    )
    torch.testing.assert_close(scaled, 100 * once)
    flat = torch.full_like(y, 0.3)
    for alpha in (0.0, sparse_alpha(flat, psf.numpy(), sigma)[0][:, None]):
        torch.testing.assert_close(sparse_deconvolve(flat, blur, alpha=alpha).x, flat)


def test_no_blur_and_no_penalty_give_the_image_back():
    y = random(1, 1, 10, 11)
    result = sparse_deconvolve(y, Blur([[1.0]], boundary="extended"), alpha=0.0)
    torch.testing.assert_close(result.x, y, rtol=0, atol=1e-3)


def test_images_stop_on_their_own(camera, psf):
    blur = Blur(psf, boundary="extended")
    easy = torch.full((1, 1, 30, 31), 0.5, dtype=torch.float64)
    hard = camera[..., :30, :31]
    both = sparse_deconvolve(torch.cat([easy, hard]), blur, alpha=1e-3)
    alone = sparse_deconvolve(hard, blur, alpha=1e-3)
    assert both.n_iter == alone.n_iter
    torch.testing.assert_close(both.x[1:], alone.x)
    assert both.converged.shape == (2, 1)


def test_mirrored_borders_are_refused(psf):
    with pytest.raises(ValueError, match="boundary"):
        sparse_deconvolve(random(1, 1, 20, 20), Blur(psf), alpha=1e-3)


def test_garbage_under_weight_0_changes_nothing(camera, psf):
    blur = Blur(psf, boundary="extended")
    weight = (random(*camera.shape) > -1).to(camera)
    first, second = (
        sparse_deconvolve(
            torch.where(weight > 0, camera, garbage), blur, alpha=1e-3, weight=weight
        ).x
        for garbage in (0.0, 1e4)
    )
    assert torch.equal(first, second)


def test_patches_of_many_atoms_need_fewer_of_their_kind(camera, monkeypatch):
    coded = []
    refine = _sparse_coding.refine_dictionary
    monkeypatch.setattr(
        _sparse_coding,
        "refine_dictionary",
        lambda start, signals, tol: (
            coded.append((len(signals), tol[0].item()))
            or refine(start, signals[:100], tol[:100], n_iter=1)
        ),
    )
    for level in (0.1, 0.02, 0.004):
        _sparse_coding.learn_dictionary(
            [camera[0]],
            torch.tensor([level]).double(),
            np.random.default_rng(0),
            patch_size=(8, 8),
            n_components=64,
        )
    counts = [count for count, _ in coded]
    assert counts[0] == 121**2  # all there are
    assert counts[0] >= counts[1] > counts[2] > 5000
    assert coded[2][1] == pytest.approx((1.15 * 0.004) ** 2 * 64)
