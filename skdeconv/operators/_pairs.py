"""Pairs of pixels that lie a displacement apart."""

from collections.abc import Iterator
from itertools import product


def displacements(radii: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Yield one of each pair ``d``, ``-d`` of displacements in a box, but not zero."""
    zero = (0,) * len(radii)
    for d in product(*(range(-r, r + 1) for r in radii)):
        if d > zero:
            yield d


def overlap(d: tuple[int, ...], shape: tuple[int, ...]) -> tuple[tuple, tuple]:
    """Where pixels lie, and their neighbours at `d`, that are both inside."""
    inside = [(max(0, -k), n - max(0, k)) for k, n in zip(d, shape, strict=True)]
    first = (..., *(slice(a, b) for a, b in inside))
    second = (..., *(slice(a + k, b + k) for k, (a, b) in zip(d, inside, strict=True)))
    return first, second
