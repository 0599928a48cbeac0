"""Data steps against the linear systems that they solve."""

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck

from skdeconv.operators import Blur, Downsample, Identity, Mask
from skdeconv.operators._scene import masked_last
from skdeconv.solvers._data_steps import data_step, unmask


def random_psf(shape, seed=0):
    psf = np.random.default_rng(seed).uniform(size=shape) ** 2
    return psf / psf.sum()


def blur(shape, boundary="extended"):
    return Blur.unchecked(random_psf(shape), boundary)


def binary(shape):
    return Mask(np.random.default_rng(1).random(shape) < 0.7)


def soft(shape):
    weights = np.random.default_rng(2).random(shape)
    return Mask(np.where(weights < 0.27, 0, weights))


def random_images(shape, n=2, channels=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(n, channels, *shape, generator=generator, dtype=torch.float64)


def dense(operator, domain):
    """Matrix of an operator on single-channel images."""
    size = int(np.prod(domain))
    basis = torch.eye(size, dtype=torch.float64).reshape(size, 1, *domain)
    return operator(basis).reshape(size, -1).T


def solved(y, operator, weight, z, coupling):
    """The scenes, by elimination."""
    A = dense(operator, tuple(z.shape[2:]))
    share = torch.ones_like(y) if weight is None else weight
    answer = torch.empty_like(z)
    for place in np.ndindex(*y.shape[:2]):
        mu = coupling if isinstance(coupling, float) else coupling[place[0]].squeeze()
        weighted = A.T * share[place].flatten()
        system = weighted @ A + mu * torch.eye(A.shape[1], dtype=y.dtype)
        force = weighted @ y[place].flatten() + mu * z[place].flatten()
        answer[place] = torch.linalg.solve(system, force).reshape(z.shape[2:])
    return answer


WEIGHTS = {
    "none": lambda shape: None,
    "binary": lambda shape: (random_images(shape, seed=1) > 0.3).double(),
    "soft": lambda shape: (random_images(shape, seed=1) - 0.2).clamp_min(0),
}

# The shape of the data, and an operator.
ANY_WEIGHTS = {
    "identity": ((5, 6), Identity()),
    "signal": ((7,), Identity(1)),
    "volume": ((2, 3, 4), Identity(3)),
    "one pixel": ((5, 6), Blur.unchecked(np.ones((1, 1)), "extended")),
    "mask": ((5, 6), binary((5, 6))),
    "soft mask": ((5, 6), soft((5, 6))),
    "masks": ((5, 6), binary((5, 6)) @ soft((5, 6))),
}
UNWEIGHTED = {
    "periodic": ((6, 5), blur((2, 3), "periodic")),
    "periodic signal": ((9,), blur((4,), "periodic")),
    "periodic volume": ((3, 2, 4), blur((2, 1, 2), "periodic")),
    "periodic, as large as the image": ((4, 4), blur((4, 4), "periodic")),
    "coarse": ((3, 4), Downsample(2)),
    "coarse areas": ((2, 3), Downsample(3, "area")),
    "coarse gaussian": ((2, 3), Downsample(3, "gaussian")),
    "coarse signal": ((5,), Downsample(4, ndim=1)),
    "coarse volume": ((2, 1, 3), Downsample(2, ndim=3)),
}
ITERATED = {
    "extended": ((6, 5), blur((2, 3))),
    "extended signal": ((9,), blur((4,))),
    "extended volume": ((3, 2, 3), blur((2, 1, 2))),
    "wider than the image": ((3, 8), blur((5, 2))),
    "reflected": ((6, 5), blur((2, 3), "reflect")),
    "reflected signal": ((9,), blur((4,), "reflect")),
    "reflected volume": ((3, 2, 3), blur((2, 1, 2), "reflect")),
    "masked blur": ((6, 5), binary((6, 5)) @ blur((2, 3))),
    "soft masked blur": ((6, 5), soft((6, 5)) @ blur((2, 3), "periodic")),
    "masked twice": ((6, 5), binary((6, 5)) @ soft((6, 5)) @ blur((4, 2), "reflect")),
    "masked coarse": ((3, 4), soft((3, 4)) @ Downsample(2)),
    "masked coarse blur": ((3, 4), soft((3, 4)) @ Downsample(2) @ blur((2, 3))),
    "coarse blur": ((3, 4), Downsample(2) @ blur((2, 3))),
    "blurred mask": ((6, 5), blur((2, 3), "reflect") @ binary((6, 5))),
    "masked everywhere": ((3, 2), binary((3, 2)) @ Downsample(2) @ soft((6, 4))),
    "two blurs": ((5, 4), blur((2, 2), "periodic") @ blur((1, 3))),
}
CASES = ANY_WEIGHTS | UNWEIGHTED | ITERATED
COUPLINGS = {
    "one": 0.07,
    "each": torch.tensor([0.5, 1e-3], dtype=torch.float64),
}


@pytest.mark.parametrize("coupling", COUPLINGS)
@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("case", CASES)
def test_is_the_dense_solution(case, weights, coupling):
    shape, operator = CASES[case]
    y, weight, mu = random_images(shape), WEIGHTS[weights](shape), COUPLINGS[coupling]
    z = random_images(operator.input_shape(shape), seed=3)
    if coupling == "each":
        mu = mu.reshape(2, *(1,) * (y.ndim - 1))
    expected = solved(y, operator, weight, z, mu)
    closed = case in ANY_WEIGHTS or (case in UNWEIGHTED and weight is None)
    step = data_step(y, operator, weight, max_iter=1 if closed else 3000)
    tolerance = 1e-10 if closed else 1e-6
    torch.testing.assert_close(step(z, mu), expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("case", CASES)
def test_the_step_ends_where_data_and_scene_agree(case, weights):
    shape, operator = CASES[case]
    z = random_images(operator.input_shape(shape))
    step = data_step(operator(z), operator, WEIGHTS[weights](shape))
    torch.testing.assert_close(step(z, 0.1), z, rtol=0, atol=1e-10)


@pytest.mark.parametrize("case", [*ITERATED, "periodic", "coarse"])
def test_the_usual_iterations_come_close(case):
    shape, operator = CASES[case]
    scene = random_images(operator.input_shape(shape))
    y, z = operator(scene), torch.full_like(scene, 0.5)
    weight = WEIGHTS["binary"](shape)
    expected = solved(y, operator, weight, z, 0.05)
    error = (data_step(y, operator, weight)(z, 0.05) - expected).norm()
    assert error < 0.03 * (expected - z).norm()


@pytest.mark.parametrize("weights", ["none", "binary"])
@pytest.mark.parametrize("case", CASES)
def test_what_weighs_nothing_has_no_influence(case, weights):
    shape, operator = CASES[case]
    y, weight = random_images(shape), WEIGHTS[weights](shape)
    z = random_images(operator.input_shape(shape), seed=3)
    seen = torch.ones_like(y, dtype=torch.bool) if weight is None else weight > 0
    for mask in masked_last(operator)[1]:
        seen = seen & torch.from_numpy(mask.mask > 0)
    for garbage in (1e6, torch.nan, torch.inf):
        dirty = torch.where(seen, y, garbage)
        answers = [data_step(v, operator, weight)(z, 0.1) for v in (y, dirty)]
        torch.testing.assert_close(*answers, rtol=0, atol=0)


@pytest.mark.parametrize("weights", ["none", "soft"])
@pytest.mark.parametrize(
    ("shape", "operator"),
    [
        ((2, 2), Identity()),
        ((2, 3), blur((2, 2), "periodic")),
        ((2, 2), blur((2, 1))),
        ((2, 3), blur((2, 2), "reflect")),
        ((1, 2), Downsample(2)),
        ((1, 2), soft((1, 2)) @ Downsample(2) @ blur((2, 1), "reflect")),
    ],
    ids=repr,
)
def test_derivatives(shape, operator, weights):
    y, weight = random_images(shape, n=1, channels=1), WEIGHTS[weights](shape)
    weight = None if weight is None else weight[:1, :1]
    z = random_images(operator.input_shape(shape), n=1, channels=1, seed=3)
    coupling = torch.full((1, 1, *(1,) * len(shape)), 0.3, dtype=y.dtype)
    inputs = [v.requires_grad_() for v in (z, coupling, y)]

    def answer(z, coupling, y):
        return data_step(y, operator, weight, max_iter=50)(z, coupling)

    assert gradcheck(answer, inputs, atol=1e-6)


@pytest.mark.parametrize("case", CASES)
def test_units_and_precision(case):
    shape, operator = CASES[case]
    y, weight = random_images(shape), WEIGHTS["soft"](shape)
    z = random_images(operator.input_shape(shape), seed=3)
    answer = data_step(y, operator, weight)(z, 0.1)
    scaled = data_step(255 * y, operator, weight)(255 * z, 0.1)
    torch.testing.assert_close(scaled, 255 * answer)
    single = data_step(y.float(), operator, weight.float())(z.float(), 0.1)
    assert single.dtype == torch.float32
    torch.testing.assert_close(single, answer.float(), rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    "case", ["masked twice", "masked coarse", "masked coarse blur"]
)
def test_masks_become_weights(case):
    shape, operator = CASES[case]
    scene = random_images(operator.input_shape(shape))
    inner, masks = masked_last(operator)
    y, rest, weight = unmask(operator(scene), operator)
    assert len(masks) == 1 + (case == "masked twice")
    torch.testing.assert_close(rest(scene), inner(scene))
    assert "Mask" not in repr(rest)
    mask = torch.from_numpy(np.prod([mask.mask for mask in masks], axis=0))
    torch.testing.assert_close(weight, mask.square().expand_as(y))
    torch.testing.assert_close(y, inner(scene) * (mask > 0))
    halved = unmask(operator(scene), operator, torch.full_like(y, 0.5))[2]
    torch.testing.assert_close(halved, weight / 2)
