"""Trying operators that users wrote, before anything is restored by them."""

import math
from numbers import Integral

import torch
from torch import Tensor

from skdeconv.operators._base import LinearOperator
from skdeconv.operators._pointwise import Mask
from skdeconv.operators._scene import in_order

# Rounding in float32, and adjoints that are only roughly those, are told from errors.
TOLERANCE = 0.01
# Powers of A* A that look for the norm.
POWERS = 6
TINY = 1e-30


def check_fits(operator: LinearOperator, shape: tuple[int, ...]) -> None:
    """Refuse an operator that cannot have made data of a spatial shape."""
    domain = tuple(operator.input_shape(shape))
    made = tuple(operator.output_shape(domain)) if min(domain) > 0 else ()
    if made != shape:
        raise ValueError(
            f"operator {operator!r} must make data of shape {shape}, but of images of "
            f"{domain}, which it asks for, it makes {made}."
        )
    for part in in_order(operator):
        if isinstance(part, Mask) and part.mask.shape != domain:
            raise ValueError(
                f"operator {operator!r} must have a mask of the shape {domain} of what "
                f"it hides, got {part.mask.shape}."
            )
        domain = tuple(part.output_shape(domain))


def check_promises(operator: LinearOperator, shape: tuple[int, ...]) -> None:
    """Refuse an operator that is not what it announces.

    It must be linear and have the shapes, the adjoint and the norm that it tells of.
    Those of the package are believed.

    Parameters
    ----------
    operator : LinearOperator
        What made the data.
    shape : tuple of int
        Spatial shape of data.
    """
    parts = in_order(operator)
    if all(type(part).__module__.startswith("skdeconv.") for part in parts):
        return
    words, domain = repr(operator), tuple(operator.input_shape(shape))
    generator = torch.Generator().manual_seed(0)
    x, other = torch.randn(2, 2, 2, *domain, generator=generator)
    y = _tried(operator, x, shape, f"operator {words}")
    for factor in (0.0, -2.0):
        difference = operator(factor * x) - factor * y
        if float(difference.norm()) > TOLERANCE * float(y.norm()):
            raise ValueError(
                f"operator {words} must be linear, but of {factor:g} times an image it "
                f"does not make {factor:g} times what it makes of the image."
            )
    # Random data would see nothing: their products with others vanish either way.
    back = _tried(operator.adjoint, y, domain, f"operator {words}, its adjoint,")
    square = float(y.square().sum())
    if abs(square - float((x * back).sum())) > TOLERANCE * square:
        raise ValueError(
            f"operator {words} and its adjoint must be such that <A x, y> = <x, A* y>, "
            "but they are not; skdeconv.testing.check_adjoint tells more."
        )
    norm = operator.norm(domain)
    for _ in range(POWERS):
        other = operator.adjoint(operator(other / other.norm().clamp_min(TINY)))
    least = float(operator(other / other.norm().clamp_min(TINY)).norm())
    if not (norm > 0 and least <= (1 + TOLERANCE) * norm < math.inf):
        raise ValueError(
            f"operator {words} must have a positive norm that bounds |A x| / |x|, "
            f"which reaches {least:.4g} for images of shape {domain}, got {norm:.4g}."
        )


def check_ndim(operator: LinearOperator) -> None:
    """Refuse an operator that does not say how many spatial axes it has."""
    ndim = getattr(operator, "ndim", None)
    if not isinstance(ndim, Integral) or ndim not in (1, 2, 3):
        raise ValueError(
            f"operator must have an attribute ndim of 1, 2 or 3, got {operator!r} "
            f"with {'none' if ndim is None else repr(ndim)}."
        )


def _tried(function, x, shape, words):
    answer = function(x)
    if not isinstance(answer, Tensor):
        raise ValueError(f"{words} must answer a tensor, got {type(answer).__name__}.")
    expected = (*x.shape[:2], *shape)
    if answer.shape != expected:
        raise ValueError(
            f"{words} must answer shape {tuple(expected)} to shape {tuple(x.shape)}, "
            f"got {tuple(answer.shape)}."
        )
    if answer.dtype != x.dtype:
        raise ValueError(
            f"{words} must answer the dtype that it is given, {x.dtype}, got "
            f"{answer.dtype}."
        )
    if not answer.isfinite().all():
        raise ValueError(f"{words} must answer finite numbers, got NaN or infinity.")
    return answer
