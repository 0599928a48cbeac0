"""What operators see beyond the image that is asked for."""

from torch import Tensor

from skdeconv.operators._base import Composition, LinearOperator
from skdeconv.operators._blur import Blur
from skdeconv.operators._pointwise import Identity, Mask


def scene_margins(operator: LinearOperator) -> tuple[tuple[int, int], ...]:
    """Pixels of scene that blurs with boundary ``"extended"`` see around the image.

    Parameters
    ----------
    operator : LinearOperator
        A blur, a composition, or anything else, which sees the image alone.

    Returns
    -------
    margins : tuple of (int, int)
        Per axis, the pixels before and after the image in the operator's domain.
    """
    if isinstance(operator, Blur) and operator.boundary == "extended":
        return operator.margins
    if not isinstance(operator, Composition):
        return ((0, 0),) * operator.ndim
    inner, outer = operator.inner, operator.outer
    # How many pixels of the domain make one of what the outer operator sees.
    one, two = (inner.input_shape((n,) * operator.ndim) for n in (1, 2))
    edges = zip(scene_margins(inner), scene_margins(outer), one, two, strict=True)
    return tuple(
        (a + (q - p) * before, b + (q - p) * after)
        for (a, b), (before, after), p, q in edges
    )


def image_shape(operator: LinearOperator, output_shape: tuple[int, ...]):
    """Shape of the image behind data: the operator's domain without its margins."""
    domain = operator.input_shape(tuple(output_shape))
    edges = zip(domain, scene_margins(operator), strict=True)
    return tuple(n - a - b for n, (a, b) in edges)


def crop(scene: Tensor, operator: LinearOperator) -> Tensor:
    """Cut the image out of a scene in the operator's domain."""
    edges = zip(scene.shape[2:], scene_margins(operator), strict=True)
    return scene[(..., *(slice(a, n - b) for n, (a, b) in edges))]


def masked_last(operator: LinearOperator) -> tuple[LinearOperator, list[Mask]]:
    """Take an operator apart into what it does, and the masks it applies after that."""
    masks = []
    while isinstance(operator, Composition):
        last, before = operator.outer, operator.inner
        if isinstance(last, Composition):  # (a @ b) @ c is a @ (b @ c)
            operator = last.outer @ (last.inner @ before)
        elif isinstance(last, Mask):
            masks.append(last)
            operator = before
        else:
            break
    if isinstance(operator, Mask):
        return Identity(operator.ndim), [*masks, operator]
    return operator, masks


def in_order(operator: LinearOperator) -> list[LinearOperator]:
    """Take an operator apart into those it is composed of, the first one first."""
    if isinstance(operator, Composition):
        return [*in_order(operator.inner), *in_order(operator.outer)]
    return [operator]


def open_outside(operator: LinearOperator) -> LinearOperator:
    """Give an operator that sees beyond the image instead of mirroring or repeating it.

    It fits what is cut out of a larger image.
    """
    if isinstance(operator, Blur):
        return Blur.unchecked(operator.psf, "extended")
    if isinstance(operator, Composition):
        return open_outside(operator.outer) @ open_outside(operator.inner)
    return operator


def mirrored_outside(operator: LinearOperator) -> LinearOperator:
    """Give an operator that mirrors the image instead of seeing beyond it."""
    if isinstance(operator, Blur) and operator.boundary == "extended":
        return Blur.unchecked(operator.psf, "reflect")
    if isinstance(operator, Composition):
        return mirrored_outside(operator.outer) @ mirrored_outside(operator.inner)
    return operator
