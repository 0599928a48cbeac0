"""Parts that stand for a large image where a strength is chosen."""

from itertools import product
from math import ceil, prod

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

# So many parts of an image, so many pixels long where the PSF is at most half as long.
PARTS, LENGTH = 8, {1: 2**13, 2: 96, 3: 32}

# Detail is what varies within blocks of so many pixels along every axis.
BLOCK = 8


def typical_parts(
    x: Tensor, weight: Tensor | None, psf: np.ndarray | None
) -> tuple[Tensor, Tensor | None]:
    """Cut parts of little, more and much detail out of larger images.

    Parameters
    ----------
    x : Tensor of shape (batch, channels, *spatial)
        Images.
    weight : Tensor of the shape of x, or None
        Weights of the pixels; parts of which nothing is known do not count.
    psf : ndarray or None
        What blurred them; parts are at least twice as long.

    Returns
    -------
    x, weight : Tensor of shape (batch, parts * channels, *part)
        The parts as channels, so that what is chosen is chosen for all of them; smaller
        images as they are.
    """
    ndim, shape = x.ndim - 2, x.shape[2:]
    length = LENGTH[ndim]
    if prod(shape) <= PARTS * length**ndim:
        return x, weight
    support = (1,) * ndim if psf is None else psf.shape
    sides = [min(n, max(length, 2 * k)) for n, k in zip(shape, support, strict=True)]
    count = min(PARTS, max(1, round(PARTS * length**ndim / prod(sides))))
    axes = [_starts(n, side) for n, side in zip(shape, sides, strict=True)]
    places = [
        tuple(slice(a, a + side) for a, side in zip(corner, sides, strict=True))
        for corner in product(*axes)
    ]
    chosen = []
    for i, image in enumerate(x):
        detail = torch.stack([_detail(image[(..., *place)]) for place in places])
        order = detail.argsort(stable=True).tolist()
        if weight is not None:
            known = [bool((weight[i][(..., *place)] > 0).any()) for place in places]
            order = [k for k in order if known[k]]
        rank = (np.arange(count) + 0.5) / count * len(order)
        chosen.append([places[order[int(r)]] for r in rank])

    def cut(v):
        parts = [
            torch.cat([image[(..., *place)] for place in mine])
            for image, mine in zip(v, chosen, strict=True)
        ]
        return torch.stack(parts)

    return cut(x), None if weight is None else cut(weight)


def _starts(n, side):
    """Where parts begin that cover an axis evenly."""
    return np.linspace(0, n - side, ceil(n / side)).astype(int).tolist()


def _detail(part):
    """Mean variance within blocks of a part ``(channels, *spatial)``."""
    ndim = part.ndim - 1
    block = tuple(min(BLOCK, n) for n in part.shape[1:])
    mean = getattr(F, f"avg_pool{ndim}d")
    part = (part - part.mean())[None]
    return (mean(part.square(), block) - mean(part, block).square()).mean()
