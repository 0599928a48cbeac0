import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from skimage import data
from skimage.restoration import denoise_tv_chambolle

from skdeconv.operators import Blur, Downsample, Identity, Mask, gaussian_psf
from skdeconv.solvers import total_variation
from skdeconv.solvers._differences import (
    differences,
    differences_power,
    length,
    subtract_adjoint,
)
from skdeconv.solvers._total_variation import denoise
from skdeconv.solvers._total_variation_inversion import invert

SHAPES = [(9,), (6, 7), (3, 4, 5), (1, 8)]
EXACT = {"tol": 1e-8, "max_iter": 3000}


def random_images(shape, n=2, channels=2, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(n, channels, *shape, generator=generator, dtype=dtype)


def random_psf(shape, seed=0):
    psf = np.random.default_rng(seed).uniform(size=shape) ** 2
    return psf / psf.sum()


def objective(x, y, operator, alpha, weight=1.0):
    misfit = (weight * (operator(x) - y).square()).flatten(2).sum(2) / 2
    return misfit + alpha * length(differences(x, x.ndim - 2)).flatten(2).sum(2)


def brute_force(y, operator, alpha, weight=1.0, smooth=1e-4):
    """Least smoothed objective, by quasi-Newton steps of SciPy."""
    start = operator.adjoint(y)

    def value_and_slope(flat):
        x = torch.from_numpy(flat).reshape(start.shape).requires_grad_()
        squares = differences_of(x).square().sum(0)
        value = (weight * (operator(x) - y).square()).sum() / 2
        value = value + alpha * (squares + smooth**2).sqrt().sum()
        value.backward()
        return value.item(), x.grad.numpy().ravel()

    options = {"maxiter": 600, "ftol": 1e-13, "gtol": 1e-7, "maxcor": 50}
    best = minimize(
        value_and_slope,
        start.numpy().ravel(),
        jac=True,
        method="L-BFGS-B",
        options=options,
    )
    return torch.from_numpy(best.x).reshape(start.shape)


def differences_of(x):
    axes = range(2, x.ndim)
    return torch.stack([x.diff(dim=a, append=x.narrow(a, -1, 1)) for a in axes])


@pytest.mark.parametrize("shape", SHAPES)
def test_differences_and_their_adjoint(shape):
    x, ndim = random_images(shape), len(shape)
    assert torch.equal(differences(x, ndim), differences_of(x))
    p = differences(random_images(shape, seed=1), ndim)
    back = -subtract_adjoint(torch.zeros_like(x), p)
    torch.testing.assert_close((p * differences(x, ndim)).sum(), (back * x).sum())
    flat = torch.eye(int(np.prod(shape)), dtype=x.dtype).reshape(-1, 1, *shape)
    matrix = differences(flat, ndim).movedim(1, 0).flatten(1)
    largest = torch.linalg.matrix_norm(matrix, 2) ** 2
    assert largest <= differences_power(shape) + 1e-9


@pytest.mark.parametrize("shape", SHAPES)
def test_denoising_is_the_minimiser(shape):
    y = random_images(shape)
    x = total_variation(y, alpha=0.1, **EXACT).x
    expected = brute_force(y, Identity(len(shape)), 0.1)
    torch.testing.assert_close(x, expected, rtol=0, atol=1e-3)
    least = objective(expected, y, Identity(len(shape)), 0.1)
    assert (objective(x, y, Identity(len(shape)), 0.1) <= least * (1 + 1e-7)).all()


OPERATORS = {
    "extended": ((6, 7), Blur.unchecked(random_psf((2, 3)), "extended")),
    "reflect": ((6, 7), Blur.unchecked(random_psf((2, 3)), "reflect")),
    "signal": ((9,), Blur.unchecked(random_psf((4,)), "extended")),
    "volume": ((3, 3, 4), Blur.unchecked(random_psf((2, 1, 3)), "extended")),
    "mask": ((6, 7), Mask(np.random.default_rng(0).random((6, 7)) < 0.6)),
    "downsample": ((4, 3), Downsample(2)),
    "composition": ((4, 3), Downsample(2, "area") @ Blur(np.full((3, 3), 1 / 9))),
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("case", OPERATORS)
def test_inversion_reaches_the_least_objective(case, weighted):
    shape, operator = OPERATORS[case]
    y = random_images(shape, n=1)
    weight = (random_images(shape, n=1, seed=1) > 0.3).double() if weighted else None
    x = total_variation(
        y, operator, alpha=0.05, weight=weight, tol=1e-5, max_iter=1500
    ).x
    assert x.shape[2:] == operator.input_shape(shape)
    weight = 1.0 if weight is None else weight
    expected = brute_force(y, operator, 0.05, weight)
    least = objective(expected, y, operator, 0.05, weight)
    reached = objective(x, y, operator, 0.05, weight)
    assert (reached <= least * (1 + 1e-4)).all(), (reached - least).max()


@pytest.mark.parametrize("shape", SHAPES)
def test_three_methods_agree(shape):
    y = random_images(shape)
    alpha = torch.tensor([[0.1, 0.05], [0.02, 0.2]], dtype=y.dtype)
    dual = denoise(y, alpha, **EXACT).x
    split = total_variation(y, alpha=alpha, weight=torch.ones_like(y), **EXACT).x
    primal_dual = invert(y, Identity(len(shape)), alpha, None, **EXACT).x
    torch.testing.assert_close(split, dual, rtol=0, atol=2e-4)
    torch.testing.assert_close(primal_dual, split, rtol=0, atol=1e-4)


def test_two_pixels_have_a_closed_form():
    y = torch.tensor([[[1.0, 4.0]], [[5.0, 4.5]]], dtype=torch.float64)
    x = total_variation(y, alpha=0.5, tol=1e-14, max_iter=5000).x
    expected = torch.tensor([[[1.5, 3.5]], [[4.75, 4.75]]], dtype=torch.float64)
    torch.testing.assert_close(x, expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("shape", SHAPES)
def test_extremes_of_alpha(shape):
    y = random_images(shape)
    assert torch.equal(total_variation(y, alpha=0.0).x, y)
    mean = y.mean(tuple(range(2, y.ndim)), keepdim=True).expand_as(y)
    x = total_variation(y, alpha=5.0, tol=1e-9, max_iter=3000).x
    torch.testing.assert_close(x, mean, rtol=0, atol=1e-4)


def test_equals_skimage_run_long():
    y = torch.from_numpy(data.camera()[100:164:2, 200:272:2] / 255.0)[None, None]
    x = total_variation(y, alpha=0.1, tol=1e-9, max_iter=5000).x
    options = {"weight": 0.1, "eps": 0, "max_num_iter": 5000}
    expected = denoise_tv_chambolle(y[0, 0].numpy(), **options)
    np.testing.assert_allclose(x[0, 0], expected, atol=2e-3)


@pytest.mark.parametrize("tol", [1e-1, 1e-3])
def test_the_gap_bounds_the_error(tol):
    y = random_images((16, 17), dtype=torch.float32)
    rough = total_variation(y, alpha=0.2, tol=tol)
    exact = total_variation(y.double(), alpha=0.2, **EXACT).x
    assert rough.converged.all()
    error = (rough.x - exact).square().flatten(2).sum(2) / 2
    size = objective(rough.x, y, Identity(), 0.2)
    assert (error <= tol * size).all()
    assert (size - objective(exact, y, Identity(), 0.2) <= tol * size).all()


BLURS = {
    boundary: Blur.unchecked(random_psf((4, 3)), boundary)
    for boundary in ("extended", "periodic", "reflect")
} | {None: None, "sr": Downsample(2)}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("operator", BLURS.values(), ids=map(str, BLURS))
def test_a_constant_stays(operator, dtype):
    y = torch.full((1, 2, 16, 15), 200.0, dtype=dtype)
    weight = torch.ones_like(y)
    weight[..., 3:6, 4] = 0
    for w in (None, weight):
        x = total_variation(y, operator, alpha=3.0, weight=w).x
        assert x.dtype == dtype
        torch.testing.assert_close(x, torch.full_like(x, 200.0))


@pytest.mark.parametrize("operator", BLURS.values(), ids=map(str, BLURS))
def test_scale_shift_and_independence(operator):
    y = random_images((20, 21))
    y[0] *= 0.01
    alpha = torch.tensor([[1e-3], [0.1]], dtype=y.dtype)
    x = total_variation(y, operator, alpha=alpha).x
    moved = total_variation(255 * y + 7, operator, alpha=255 * alpha).x
    torch.testing.assert_close(moved, 255 * x + 7, rtol=1e-6, atol=1e-6)
    alone = total_variation(y[1:, 1:], operator, alpha=0.1).x
    torch.testing.assert_close(x[1:, 1:], alone)


@pytest.mark.parametrize("operator", BLURS.values(), ids=map(str, BLURS))
def test_garbage_without_weight_changes_nothing(operator):
    y = random_images((12, 13))
    weight = (random_images((12, 13), channels=1, seed=1) > 0.2).double()
    x = total_variation(y, operator, alpha=0.05, weight=weight).x
    y[(weight == 0).expand_as(y)] = float("nan")
    assert torch.equal(total_variation(y, operator, alpha=0.05, weight=weight).x, x)


def test_a_large_psf_and_tiny_images():
    blur = Blur.unchecked(random_psf((9, 8)), "extended")
    for operator in (blur, Blur.unchecked(blur.psf, "periodic")):
        x = total_variation(random_images((10, 9)), operator, alpha=0.01).x
        assert x.isfinite().all()
    pair = Blur.unchecked(np.array([0.25, 0.75]), "extended")
    for n in (1, 2):
        assert total_variation(random_images((n,)), pair, alpha=0.1).x.isfinite().all()
        assert total_variation(random_images((n,)), alpha=0.1).x.isfinite().all()


def test_a_few_iterations_are_enough():
    scene = torch.from_numpy(data.camera()[:140, :140] / 255).float()[None, None]
    blur = Blur(gaussian_psf(1.0), "extended")
    noise = torch.randn(132, 132, generator=torch.Generator().manual_seed(0)) / 100
    y = blur(scene) + noise
    result = total_variation(y, blur, alpha=2e-3)
    assert result.converged.all()
    assert result.n_iter <= 100
    cut = total_variation(y, blur, alpha=2e-3, max_iter=2)
    assert cut.n_iter == 2
    assert not cut.converged.any()


@pytest.mark.parametrize("how", ["weight", "operator", "blurred"])
def test_a_large_hole_in_a_smooth_image_is_filled(how):
    u, v = torch.meshgrid(*[torch.arange(96) / 96] * 2, indexing="ij")
    scene = (0.5 + 0.3 * torch.sin(2 * u + 1) + 0.2 * torch.cos(3 * v))[None, None]
    known = np.ones((96, 96), dtype=bool)
    known[30:66, 30:66] = False
    hole = torch.from_numpy(~known)
    noise = torch.randn(96, 96, generator=torch.Generator().manual_seed(0)) / 100
    operator = {
        "weight": None,
        "operator": Mask(known),
        "blurred": Mask(known) @ Blur(gaussian_psf(1.0)),
    }[how]
    weight = (~hole).float() if how == "weight" else None
    y = scene if operator is None else operator(scene)
    options = {"alpha": 2e-3, "weight": weight}
    x = total_variation(y + noise, operator, **options).x
    best = total_variation(y + noise, operator, tol=1e-6, max_iter=3000, **options).x
    assert (x - best)[..., hole].square().mean().sqrt() < 0.012


@pytest.mark.parametrize("operator", BLURS.values(), ids=map(str, BLURS))
def test_going_on_from_a_state_gets_further(operator):
    y = random_images((20, 21))
    weight = torch.ones_like(y)
    weight[..., 3:6, 4] = 0
    options = {"weight": weight, "tol": 0}
    first = total_variation(y, operator, alpha=0.05, max_iter=500, **options)
    best = total_variation(y, operator, alpha=0.051, max_iter=1500, **options).x
    kept = [part.clone() for part in first.state]
    few = {"alpha": 0.051, "max_iter": 20, **options}
    cold = total_variation(y, operator, **few).x
    warm = total_variation(y, operator, start=first.state, **few).x
    assert all(torch.equal(a, b) for a, b in zip(kept, first.state, strict=True))
    assert (warm - best).square().mean() < 0.3 * (cold - best).square().mean()
