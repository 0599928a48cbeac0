"""Blur: against scipy, and its adjoint."""

import pickle

import numpy as np
import pytest
import torch
from scipy import ndimage

from skdeconv.operators import Blur
from skdeconv.testing import check_adjoint

# PSFs here are random: neither of sum 1 nor centred.
pytestmark = pytest.mark.filterwarnings("ignore::skdeconv.exceptions.PSFWarning")

SHAPES = {1: (19,), 2: (11, 14), 3: (7, 8, 9)}
SIZES = [(3, 4, 5), (4, 3, 2), (1, 6, 7)]
cases = pytest.mark.parametrize("ndim", [1, 2, 3])
sizes = pytest.mark.parametrize("size", SIZES, ids=str)


def random_psf(size, ndim):
    return np.random.default_rng(ndim).random(size[:ndim])


@cases
@sizes
@pytest.mark.parametrize("boundary", ["reflect", "periodic", "extended"])
def test_adjoint(ndim, size, boundary):
    blur = Blur(random_psf(size, ndim), boundary=boundary)
    check_adjoint(blur, blur.input_shape(SHAPES[ndim]))


@cases
@sizes
@pytest.mark.parametrize(
    ("boundary", "mode"),
    [("reflect", "reflect"), ("periodic", "wrap"), ("extended", "constant")],
)
def test_agrees_with_scipy(ndim, size, boundary, mode):
    blur = Blur(random_psf(size, ndim), boundary=boundary)
    x = torch.rand(2, 3, *blur.input_shape(SHAPES[ndim]), dtype=torch.float64)
    expected = ndimage.convolve(x[1, 2].numpy(), blur.psf, mode=mode)
    if boundary == "extended":
        edges = zip(expected.shape, blur.margins, strict=True)
        expected = expected[tuple(slice(a, n - b) for n, (a, b) in edges)]
    assert np.allclose(blur(x)[1, 2].numpy(), expected, atol=1e-13)


def test_psf_larger_than_the_image_wraps_and_mirrors():
    psf = random_psf((9, 11, 1), 2)
    x = torch.rand(1, 1, 5, 4, dtype=torch.float64)
    for boundary, mode in (("reflect", "reflect"), ("periodic", "wrap")):
        expected = ndimage.convolve(x[0, 0].numpy(), psf / psf.sum(), mode=mode)
        assert np.allclose(Blur(psf, boundary)(x)[0, 0].numpy(), expected)
    with pytest.raises(ValueError, match="larger than the scene"):
        Blur(psf, "extended")(x)


def test_float32_stays_float32():
    assert Blur(np.ones((3, 3)))(torch.rand(1, 1, 8, 8)).dtype == torch.float32


def test_refuses_unknown_boundary():
    with pytest.raises(ValueError, match="boundary must be one of"):
        Blur(np.ones((3, 3)), boundary="zero")


def test_gradients_flow():
    x = torch.rand(1, 1, 6, 7, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(Blur(np.ones((2, 3))), x)


@pytest.mark.parametrize("boundary", ["extended", "periodic", "reflect"])
def test_what_it_keeps_between_calls_is_no_state(boundary):
    x = torch.rand(1, 1, 9, 8, dtype=torch.float64)
    blur = Blur(np.ones((2, 3)), boundary)
    with torch.inference_mode():
        first = blur(x)
    seen = x.clone().requires_grad_()
    blur(seen).sum().backward()  # not spoiled by the call before
    assert seen.grad is not None
    for y in (x.float(), torch.rand(1, 1, 7, 12)):  # another dtype, another shape
        fresh = Blur(np.ones((2, 3)), boundary)
        torch.testing.assert_close(blur(y), fresh(y), rtol=0, atol=0)
    again = pickle.loads(pickle.dumps(blur))
    assert vars(again).keys() == {"psf", "boundary"}
    torch.testing.assert_close(again(x), first.clone(), rtol=0, atol=0)
    blur.psf = np.eye(3) / 3
    torch.testing.assert_close(blur(x), Blur(np.eye(3), boundary)(x))
