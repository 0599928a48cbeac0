"""Median filter, also of weighted pixels."""

from functools import lru_cache
from itertools import product

import torch
from torch import Tensor

from skdeconv.solvers._result import SolverResult
from skdeconv.solvers._windows import pad_mirrored

# Windows up to this many pixels go through a network of comparators, plane by plane;
# larger ones are sorted pixel by pixel, in slabs of this many numbers.
LARGEST_NETWORK = 130
SLAB = 2**23


def median_filter(
    y: Tensor, size: int = 3, *, weight: Tensor | None = None
) -> SolverResult:
    r"""Take the median of the window around every pixel; borders are mirrored.

    Parameters
    ----------
    y : Tensor of shape (batch, channels, *spatial)
        Images.
    size : int, default=3
        Length of the window along every axis. Of an even window, one more pixel lies
        before its centre than after, and the upper of the two middle values counts.
    weight : Tensor of shape (batch, 1 or channels, *spatial), default=None
        Non-negative weights of the pixels. The answer is the first value, in ascending
        order, up to which the weights pass half their sum; a pixel of weight 0 is left
        out. Windows without any known pixel are filled from their neighbours' answers,
        from the rim of the gap inwards.

    Returns
    -------
    result : SolverResult
        Filtered images, of the shape of `y`; zero where the whole image is unknown.

    Notes
    -----
    A window of n pixels passes through Batcher's merge exchange [1]_, less the
    comparators that the middle output does not depend on: each is one minimum and one
    maximum of two shifted images.

    References
    ----------
    .. [1] K. E. Batcher, "Sorting networks and their applications", AFIPS Spring Joint
       Computer Conference 1968. :doi:`10.1145/1468075.1468121`
    """
    if weight is None:
        n = size ** (y.ndim - 2)
        select = _by_network if n <= LARGEST_NETWORK else _by_sorting
        x = select(y, size)
    else:
        x = _weighted(y, size, weight.to(y.dtype).expand_as(y))
    done = torch.ones(y.shape[:2], dtype=torch.bool, device=y.device)
    return SolverResult(x, 0, done)


def _windows(y, size):
    """Shifted images, one per pixel of the window."""
    shape = y.shape[2:]
    padded = pad_mirrored(y, [(size // 2, size - 1 - size // 2)] * len(shape))
    return [
        padded[(..., *(slice(i, i + n) for i, n in zip(start, shape, strict=True)))]
        for start in product(range(size), repeat=len(shape))
    ]


def _by_network(y, size):
    planes = _windows(y, size)
    for low, high, needs_low, needs_high in _comparators(len(planes)):
        a, b = planes[low], planes[high]
        planes[low] = torch.minimum(a, b) if needs_low else None
        planes[high] = torch.maximum(a, b) if needs_high else None
    middle = planes[len(planes) // 2]
    return middle.clone() if len(planes) == 1 else middle


@lru_cache
def _comparators(n):
    """Pairs to sort in turn until the middle one of n values is in its place."""
    pairs = []
    top = p = 1 << max(0, (n - 1).bit_length() - 1)
    while p > 0:
        q, r, d = top, 0, p
        while True:
            pairs += [(i, i + d) for i in range(n - d) if i & p == r]
            if q == p:
                break
            d, q, r = q - p, q // 2, p
        p //= 2
    needed, kept = {n // 2}, []
    for low, high in reversed(pairs):
        if low in needed or high in needed:
            kept.append((low, high, low in needed, high in needed))
            needed |= {low, high}
    return kept[::-1]


def _slabs(y, size, others=()):
    """Windows along a last axis, of `y` and of others, some rows at a time."""
    before, after = size // 2, size - 1 - size // 2
    ndim = y.ndim - 2
    padded = [pad_mirrored(x, [(before, after)] * ndim) for x in (y, *others)]
    rows = max(1, SLAB * y.shape[2] // max(1, y.numel() * size**ndim))
    for start in range(0, y.shape[2], rows):
        n = min(rows, y.shape[2] - start) + size - 1
        parts = [p.narrow(2, start, n) for p in padded]
        for axis in range(2, 2 + ndim):
            parts = [p.unfold(axis, size, 1) for p in parts]
        yield [p.flatten(-ndim) for p in parts]


def _by_sorting(y, size):
    n = size ** (y.ndim - 2)
    slabs = [w.kthvalue(n // 2 + 1, -1).values for (w,) in _slabs(y, size)]
    return torch.cat(slabs, 2)


def _weighted(y, size, weight):
    if size == 1:
        return y
    x, known = _weighted_once(torch.where(weight > 0, y, 0), size, weight)
    while not known.all():
        filled, reached = _weighted_once(x, size, known.to(y.dtype))
        if torch.equal(reached, known):  # nothing is known of what is left
            break
        x, known = torch.where(known, x, filled), reached
    return x


def _weighted_once(y, size, weight):
    """Medians, and where there is any."""
    medians, known = [], []
    for values, weights in _slabs(y, size, [weight]):
        values, order = values.sort(-1)
        weights = weights.gather(-1, order).cumsum(-1)
        whole = weights[..., -1:]
        place = (2 * weights > whole).to(torch.uint8).argmax(-1, keepdim=True)
        medians.append(torch.where(whole > 0, values.gather(-1, place), 0).squeeze(-1))
        known.append(whole.squeeze(-1) > 0)
    return torch.cat(medians, 2), torch.cat(known, 2)
