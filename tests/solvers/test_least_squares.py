import numpy as np
import pytest
import torch
from scipy.optimize import lsq_linear

from skdeconv.operators import Blur, Downsample, Gradient, Identity, Mask
from skdeconv.solvers import least_squares, wiener
from skdeconv.solvers._total_variation_inversion import spread


def random_psf(shape, seed=0):
    psf = np.random.default_rng(seed).uniform(size=shape) ** 2
    return psf / psf.sum()


def random_images(shape, n=2, channels=2, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(n, channels, *shape, generator=generator, dtype=dtype)


def dense(operator, shape):
    """Matrix of an operator on single-channel images of a shape."""
    size = int(np.prod(shape))
    basis = torch.eye(size, dtype=torch.float64).reshape(size, 1, *shape)
    return operator(basis).reshape(size, -1).T


OPERATORS = {
    "signal": ((9,), Blur.unchecked(random_psf((4,)), "extended")),
    "extended": ((6, 5), Blur.unchecked(random_psf((2, 3)), "extended")),
    "reflect": ((6, 5), Blur.unchecked(random_psf((2, 3)), "reflect")),
    "volume": ((3, 2, 3), Blur.unchecked(random_psf((2, 1, 2)), "extended")),
    "mask": ((6, 5), Mask(np.random.default_rng(0).random((6, 5)) < 0.7)),
    "composition": (
        (3, 2),
        Downsample(2) @ Blur.unchecked(random_psf((2, 2)), "reflect"),
    ),
    "identity": ((1, 7), Identity()),
}


def stacked(case, y, alpha, regularizer, weight):
    """Rows and data of the equivalent ordinary least squares, per image and channel."""
    shape, operator = OPERATORS[case]
    domain = operator.input_shape(shape)
    A = dense(operator, domain).numpy()
    L = np.eye(int(np.prod(domain)))
    if regularizer == "laplacian":
        D = Gradient(len(shape))
        L = dense(lambda x: D.adjoint(D(x)), domain).numpy()
    levels = spread(y, operator, weight).flatten(2).mean(2).flatten().numpy()
    weights = weight.expand_as(y).flatten(0, 1).flatten(1).sqrt().numpy()
    data = y.flatten(0, 1).flatten(1).numpy()
    for w, d, level in zip(weights, data, levels, strict=True):
        target = L @ np.full(L.shape[1], level)
        rows = np.concatenate([w[:, None] * A, np.sqrt(alpha) * L])
        yield rows, np.concatenate([w * d, np.sqrt(alpha) * target])


@pytest.mark.parametrize("regularizer", ["laplacian", "identity"])
@pytest.mark.parametrize("method", ["cg", "fista"])
@pytest.mark.parametrize("case", OPERATORS)
def test_is_the_dense_minimiser(case, method, regularizer):
    shape, operator = OPERATORS[case]
    y = random_images(shape)
    weight = (random_images(shape, seed=1) > 0.2).double()
    options = {"alpha": 0.05, "regularizer": regularizer, "weight": weight}
    most = {"cg": 300, "fista": 3000}[method]
    x = least_squares(y, operator, method=method, tol=0, max_iter=most, **options).x
    problems = stacked(case, y, 0.05, regularizer, weight)
    expected = [np.linalg.lstsq(*problem, rcond=None)[0] for problem in problems]
    expected = torch.from_numpy(np.stack(expected)).reshape(x.shape)
    torch.testing.assert_close(x, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("method", ["landweber", "fista"])
@pytest.mark.parametrize("case", ["signal", "extended", "mask"])
def test_nonnegative_minimiser(case, method):
    shape, operator = OPERATORS[case]
    y = random_images(shape) - 0.4
    x = least_squares(
        y, operator, alpha=0.1, method=method, nonnegative=True, tol=0, max_iter=5000
    ).x
    assert x.min() == 0
    problems = stacked(case, y, 0.1, "laplacian", torch.ones_like(y))
    expected = [lsq_linear(*p, bounds=(0, np.inf), tol=1e-13).x for p in problems]
    expected = torch.from_numpy(np.stack(expected)).reshape(x.shape)
    torch.testing.assert_close(x, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("method", ["cg", "landweber", "fista"])
def test_the_objective_never_rises(method):
    shape, operator = OPERATORS["extended"]
    y, D = random_images(shape), Gradient()
    last = torch.full((2, 2), torch.inf, dtype=y.dtype)
    for n in range(1, 40):
        x = least_squares(y, operator, alpha=1e-3, method=method, tol=0, max_iter=n).x
        value = (operator(x) - y).square().flatten(2).sum(2)
        value += 1e-3 * D.adjoint(D(x)).square().flatten(2).sum(2)
        assert (value <= last * (1 + 1e-12)).all()
        last = value


def test_equals_the_wiener_filter():
    y = random_images((20, 21))
    blur = Blur.unchecked(random_psf((4, 3)), "reflect")
    x = least_squares(y, blur, alpha=0.05, tol=1e-12, max_iter=1000).x
    expected = wiener(y, blur, alpha=0.05, tol=1e-12, max_iter=1000).x
    torch.testing.assert_close(x, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("method", ["cg", "landweber", "fista"])
def test_scale_independence_constants_and_garbage(method):
    y = random_images((12, 13))
    y[0] *= 0.01
    blur = Blur.unchecked(random_psf((4, 3)), "extended")
    weight = (random_images((12, 13), seed=1) > 0.2).double()
    options = {"method": method, "alpha": 0.01, "weight": weight, "max_iter": 20}
    x = least_squares(y, blur, **options).x
    torch.testing.assert_close(least_squares(255 * y, blur, **options).x, 255 * x)
    dirty = torch.where(weight > 0, y, torch.nan)
    assert torch.equal(least_squares(dirty, blur, **options).x, x)
    alone = least_squares(y[1:, 1:], blur, **options | {"weight": weight[1:, 1:]}).x
    torch.testing.assert_close(alone, x[1:, 1:])
    flat = torch.full_like(y, 200.0)
    constant = least_squares(flat, blur, **options).x
    torch.testing.assert_close(constant, torch.full_like(constant, 200.0))


def test_more_iterations_fit_the_data_closer():
    y = random_images((16, 16), dtype=torch.float32)
    blur = Blur.unchecked(random_psf((5, 5)), "extended")
    few, many = (least_squares(y, blur, max_iter=n, tol=0).x for n in (2, 20))
    assert (blur(many) - y).square().sum() < 0.5 * (blur(few) - y).square().sum()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "newton"}, "method must be one of"),
        ({"regularizer": "tv"}, "regularizer must be"),
        ({"nonnegative": True}, "conjugate gradients cannot be projected"),
    ],
)
def test_refused_options(options, message):
    with pytest.raises(ValueError, match=message):
        least_squares(random_images((4, 4)), Identity(), **options)
