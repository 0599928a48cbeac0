"""What holds for every operator."""

import inspect

import pytest
import torch

import skdeconv.operators
from skdeconv.operators import Blur, Composition, Identity, LinearOperator
from skdeconv.testing import check_adjoint, example_operators

SHAPE = (12, 8, 4)
CASES = [
    pytest.param(operator, SHAPE[:ndim], id=f"{ndim}-{operator!r}")
    for ndim in (1, 2, 3)
    for operator in example_operators(ndim)
]
every = pytest.mark.parametrize(("operator", "shape"), CASES)


@every
def test_adjoint(operator, shape):
    check_adjoint(operator, shape)


@every
def test_norm_bounds_the_largest_singular_value(operator, shape):
    x = torch.randn(1, 1, *shape, dtype=torch.float64)
    for _ in range(200):
        x = operator.adjoint(operator(x))
        square = x.norm()
        x = x / square
    bound = operator.norm(shape)
    assert square.sqrt() <= bound * (1 + 1e-9)
    assert bound <= 2 * square.sqrt()


@every
def test_images_and_channels_are_treated_alike(operator, shape):
    x = torch.randn(2, 3, *shape, dtype=torch.float64)
    seen = operator(x)
    assert torch.allclose(operator(x[1:, 2:]), seen[1:, 2:])
    assert operator(x.float()).dtype == torch.float32


def test_every_operator_has_an_example():
    public = {
        value
        for name in skdeconv.operators.__all__
        if inspect.isclass(value := getattr(skdeconv.operators, name))
    } - {LinearOperator}
    assert {type(operator) for operator in example_operators()} == public


def test_composition_applies_the_right_one_first():
    first, second = Blur([[0.5, 0.5]]), Blur([[1.0], [0.0], [0.0]])
    x = torch.rand(1, 1, 6, 7)
    assert torch.equal((second @ first)(x), second(first(x)))
    assert "@" in repr(second @ first)
    with pytest.raises(ValueError, match="same number of spatial axes"):
        Composition(Identity(2), Identity(3))
    with pytest.raises(TypeError):
        Identity(2) @ 3
