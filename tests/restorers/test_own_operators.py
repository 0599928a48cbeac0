"""Operators that users write: those that keep their promises, and others."""

import numpy as np
import pytest
import torch

from skdeconv import (
    Degradation,
    LeastSquaresRestorer,
    PlugAndPlayRestorer,
    UnrolledRestorer,
)
from skdeconv.degradations import GaussianNoise
from skdeconv.operators import Blur, LinearOperator, Mask, gaussian_psf


class Vignette(LinearOperator):
    """Darker from one side to the other."""

    ndim = 2

    def __call__(self, x):
        return x * torch.linspace(0.3, 1, x.shape[-1], dtype=x.dtype)

    def adjoint(self, y):
        return self(y)

    def norm(self, input_shape):
        return 1.0


class RowPairs(LinearOperator):
    """The mean of two rows each."""

    ndim = 2

    def __call__(self, x):
        return x.unflatten(-2, (-1, 2)).mean(-2)

    def adjoint(self, y):
        return y.repeat_interleave(2, -2) / 2

    def output_shape(self, input_shape):
        return (input_shape[0] // 2, input_shape[1])

    def input_shape(self, output_shape):
        return (2 * output_shape[0], output_shape[1])

    def norm(self, input_shape):
        return 0.5**0.5


def broken(**methods):
    kinds = {name: staticmethod(value) for name, value in methods.items()}
    return type("Broken", (Vignette,), kinds)()


class Square(Vignette):
    def __call__(self, x):
        return x.square()


class Doubles(Vignette):
    def __call__(self, x):
        return super().__call__(x).double()


class Arrays(Vignette):
    def __call__(self, x):
        return x.numpy()


class Infinite(Vignette):
    def __call__(self, x):
        return x / 0


BROKEN = {
    "adjoint": (broken(adjoint=lambda y: y), "<A x, y> = <x, A\\* y>"),
    "small norm": (broken(norm=lambda shape: 0.01), r"norm .* 0.01"),
    "no norm": (broken(norm=lambda shape: 0.0), r"norm .* got 0"),
    "norm nan": (broken(norm=lambda shape: float("nan")), r"norm .* got nan"),
    "shape": (broken(output_shape=lambda shape: (3, *shape[1:])), "data of shape"),
    "adjoint's shape": (broken(adjoint=lambda y: y[..., 1:]), "adjoint.* shape"),
    "nonlinear": (Square(), "must be linear"),
    "float64": (Doubles(), "dtype .*float64"),
    "arrays": (Arrays(), "tensor, got ndarray"),
    "infinite": (Infinite(), "finite"),
    "composed": (Blur(gaussian_psf(1.0)) @ Square(), "must be linear"),
}


def scenes():
    return np.random.default_rng(0).uniform(0, 1, (2, 6, 6)).repeat(8, 1).repeat(8, 2)


@pytest.mark.parametrize("name", BROKEN)
def test_an_operator_that_breaks_its_promises_is_refused(name):
    operator, words = BROKEN[name]
    with pytest.raises(ValueError, match=f"(?s)operator.*{words}"):
        LeastSquaresRestorer(operator=operator).fit(scenes())


def test_an_operator_without_ndim_is_refused():
    class Nowhere(LinearOperator):
        __call__, adjoint, norm = Vignette.__call__, Vignette.adjoint, Vignette.norm

    with pytest.raises(ValueError, match="attribute ndim"):
        LeastSquaresRestorer(operator=Nowhere()).fit(scenes())


def test_a_mask_of_another_shape_is_refused_by_fit():
    operator = Mask(np.ones((48, 47))) @ Blur(gaussian_psf(1.0))
    with pytest.raises(ValueError, match=r"mask of the shape \(48, 48\).*\(48, 47\)"):
        LeastSquaresRestorer(operator=operator, alpha=0.1).fit(scenes())


@pytest.mark.parametrize("operator", [Vignette(), RowPairs()], ids=["same", "rows"])
def test_an_operator_that_keeps_them_is_undone(operator):
    clean = scenes()
    seen = operator(torch.from_numpy(clean)[:, None])[:, 0].numpy()
    noisy = seen + np.random.default_rng(1).normal(0, 0.01, seen.shape)
    restorer = PlugAndPlayRestorer(operator=operator).fit(noisy)
    assert restorer.score(noisy, clean) > 24


TRAINING = {"max_epochs": 1, "max_iter": 2, "patch_size": 24, "random_state": 0}


def test_unrolled_turns_need_coarse_pixels_of_one_factor():
    clean = np.zeros((2, 48, 48))
    restorer = UnrolledRestorer(operator=RowPairs(), **TRAINING)
    with pytest.raises(ValueError, match=r"operator .* \[2, 1\]"):
        restorer.fit(clean[:, ::2], clean)
    with pytest.raises(ValueError, match=r"operator .* \[2, 1\]"):
        restorer.partial_fit(clean[:, ::2], clean)


def test_unrolled_turns_must_be_told_what_their_degradation_does():
    degradation = Degradation([Blur(gaussian_psf(1.0)), GaussianNoise(0.01)])
    restorer = UnrolledRestorer(degradation=degradation, **TRAINING)
    with pytest.raises(ValueError, match=r"Blur.*neither psf nor operator"):
        restorer.fit(np.zeros((2, 48, 48)))
    noise = Degradation([GaussianNoise(0.01)], random_state=0)
    restorer.set_params(degradation=noise).fit(np.full((2, 48, 48), 0.5))


def test_unrolled_turns_of_an_operator_of_large_gain():
    class Loud(Vignette):
        def __call__(self, x):
            return 100 * x

        def norm(self, input_shape):
            return 100.0

    clean = scenes()
    degradation = Degradation([Loud(), GaussianNoise(2.0)], random_state=0)
    noisy = degradation.fit_transform(clean)
    restorer = UnrolledRestorer(
        operator=Loud(), degradation=degradation, data_range=1.0, **TRAINING
    )
    restorer.set_params(noise_std=2.0).fit(clean)
    assert restorer.score(noisy, clean) > 34
