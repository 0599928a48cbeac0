"""Checks that any operator should pass, and small operators to try them on."""

from functools import partial

import numpy as np
import torch

from skdeconv.operators import (
    Blur,
    Downsample,
    Gradient,
    Identity,
    LinearOperator,
    Mask,
)

# An asymmetric PSF of even and odd length finds flips and shifts.
PSFS = {
    1: np.array([0.25, 0.75]),
    2: np.array([[0.05, 0.1, 0.05], [0.1, 0.5, 0.2]]),
    3: np.array([[[0.1, 0.2], [0.1, 0.3]], [[0.1, 0.1], [0.05, 0.05]]]),
}


def example_operators(ndim: int = 2) -> list[LinearOperator]:
    """Give small instances of every operator, for tests.

    Parameters
    ----------
    ndim : {1, 2, 3}, default=2
        Number of spatial axes.

    Returns
    -------
    operators : list of LinearOperator
        For images of ``(12, 8, 4)[:ndim]`` pixels.
    """
    shape = (12, 8, 4)[:ndim]
    seen = np.random.default_rng(0).random(shape).round(1)
    psf = PSFS[ndim]
    return [
        *(Blur(psf, boundary) for boundary in ("periodic", "reflect", "extended")),
        *(Downsample(2, kernel, ndim=ndim) for kernel in ("area", "gaussian")),
        *(Downsample(factor, ndim=ndim) for factor in (1, 2, 4)),
        Gradient(ndim),
        Identity(ndim),
        Mask(seen),
        Mask(seen) @ Blur(psf),
        Downsample(2, ndim=ndim) @ Blur(psf, "periodic"),
        Gradient(ndim) @ Downsample(4, "area", ndim=ndim),
    ]


def check_adjoint(
    operator: LinearOperator,
    input_shape: tuple[int, ...],
    *,
    rtol: float = 1e-10,
    random_state: int = 0,
) -> None:
    """Check that ``<A x, y>`` equals ``<x, A* y>`` for random x and y, in float64.

    Parameters
    ----------
    operator : LinearOperator
        Operator to check.
    input_shape : tuple of int
        Spatial shape in its domain.
    rtol : float, default=1e-10
        Largest difference, relative to the norms of ``A x`` and y.
    random_state : int, default=0
        Seed of x and y.

    Raises
    ------
    AssertionError
        If they differ, or shapes are not those that the operator announces.

    Examples
    --------
    >>> from skdeconv.operators import Blur
    >>> from skdeconv.testing import check_adjoint
    >>> check_adjoint(Blur([[0.2, 0.8]], boundary="extended"), (16, 17))
    """
    generator = torch.Generator().manual_seed(random_state)
    draw = partial(torch.randn, generator=generator, dtype=torch.float64)
    output_shape = operator.output_shape(tuple(input_shape))
    assert operator.input_shape(output_shape) == tuple(input_shape)
    x, y = draw(2, 3, *input_shape), draw(2, 3, *output_shape)
    seen, back = operator(x), operator.adjoint(y)
    assert seen.shape == y.shape, f"output is {seen.shape}, announced {y.shape}"
    assert back.shape == x.shape, f"adjoint gives {back.shape}, not {x.shape}"
    difference = abs(float((seen * y).sum() - (x * back).sum()))
    scale = float(seen.norm() * y.norm())
    assert difference <= rtol * scale, (
        f"<Ax, y> and <x, A*y> differ by {difference / scale:.1e} of their norms"
    )
