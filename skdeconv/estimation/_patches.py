"""Patches of an image, and the variance of the white noise that is in them."""

from functools import reduce
from itertools import product
from math import prod

import torch
from torch import Tensor

# Pixels of a patch, about, and of one of a short signal, at least; patches per pixel of
# a patch that covariances need, and in short signals must do with; positions of patches
# to choose from; how far the mean eigenvalue of n patches of d pixels passes the
# median, in units of d / n.
PATCH_PIXELS, SHORTEST = 49, 8
LEAST, FEWEST = 20, 15
POSITIONS = 2**16
SKEW = 0.3


def patch_sizes(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Sizes of the patches of an image; shorter ones of signals that are short."""
    pixels = PATCH_PIXELS
    if len(shape) == 1:
        fitting = (shape[0] + FEWEST) // (FEWEST + 1)
        pixels = min(pixels, max(SHORTEST, fitting))
    return tuple(min(round(pixels ** (1 / len(shape))), n) for n in shape)


def least_patches(sizes: tuple[int, ...]) -> int:
    """Patches that a covariance needs."""
    return (FEWEST if len(sizes) == 1 else LEAST) * (prod(sizes) - 1)


class Patches:
    """Patches of a batch of images, in all channels.

    Parameters
    ----------
    x : Tensor of shape (batch, channels, *spatial)
        Images.
    mute : bool Tensor of the shape of x
        Pixels that no patch is to hold.
    sizes : tuple of int
        Sizes of the patches.

    Attributes
    ----------
    rough : Tensor of shape (batch, n_patches)
        Variance of the means over the corners; infinite for patches with mute pixels.
    level : Tensor of shape (batch, n_patches)
        Mean over the corners.
    """

    def __init__(self, x: Tensor, mute: Tensor, sizes: tuple[int, ...]):
        ndim, shape = len(sizes), x.shape[2:]
        places = [n - p + 1 for n, p in zip(shape, sizes, strict=True)]
        step = max(1, round((x.shape[1] * prod(places) / POSITIONS) ** (1 / ndim)))
        grid = (..., *(slice(None, None, step),) * ndim)

        # An offset would leave no digits for the noise.
        centre = x.mean(tuple(range(2, x.ndim)), keepdim=True)
        x = x - centre
        # What is smooth has equal means in the corners of the patch.
        self._half = [p // 2 + 1 for p in sizes]
        means = window_means(x, self._half)
        ends = ((0, p - h) for p, h in zip(sizes, self._half, strict=True))
        corners = torch.stack(
            [
                means[
                    (
                        ...,
                        *(
                            slice(k, k + n, step)
                            for k, n in zip(corner, places, strict=True)
                        ),
                    )
                ]
                for corner in product(*ends)
            ]
        )
        spoiled = window_any(mute, sizes)[grid]
        self.rough = corners.var(0).masked_fill(spoiled, torch.inf).flatten(1)
        self.level = (corners.mean(0) + centre).flatten(1)

        start = torch.arange(x[0].numel(), device=x.device).view(-1, *shape)
        self._start = start[(..., *(slice(0, n, step) for n in places))].flatten()
        offsets = torch.arange(prod(shape), device=x.device).view(shape)
        self._offsets = offsets[tuple(slice(0, p) for p in sizes)].flatten()
        self._sizes, self._pixels = sizes, x.flatten(1)

    def noise(self, chosen: Tensor, usable: Tensor) -> tuple[Tensor, Tensor]:
        """Variance of the noise in sets of patches.

        Parameters
        ----------
        chosen : int Tensor of shape (batch, ..., n)
            Indices of the patches of each set.
        usable : bool Tensor of shape (batch, ..., n)
            Which of them count.

        Returns
        -------
        variance, share : Tensor of shape (batch, ...)
            The mean of the eigenvalues that noise alone explains, and their share.
        """
        index = self._start[chosen][..., None] + self._offsets
        patches = self._pixels.gather(1, index.flatten(1)).view(index.shape)
        # The selection knows the corners' means: without them it has no bias.
        known = _corner_means(self._sizes, self._half).to(patches)
        unbiased = torch.eye(prod(self._sizes)).to(known)
        unbiased -= torch.linalg.pinv(known) @ known
        patches = (patches @ unbiased) * usable[..., None]
        n_usable = usable.sum(-1).clamp_min(1)
        covariance = patches.mT @ patches / n_usable[..., None, None]
        free = round(unbiased.trace().item())
        values = torch.linalg.eigvalsh(covariance)[..., -free:].clamp_min(0)

        # From all downwards, the first set whose mean is at most its median.
        count = torch.arange(1, free + 1, device=values.device)
        mean = values.cumsum(-1) / count
        median = (values[..., (count - 1) // 2] + values[..., count // 2]) / 2
        alone = mean <= median * (1 + SKEW * free / chosen.shape[-1])
        size = (count * alone).amax(-1, keepdim=True).clamp_min(1)
        return mean.gather(-1, size - 1).squeeze(-1), size.squeeze(-1) / free


def shifts(x: Tensor, axis: int, size: int) -> list[Tensor]:
    """Views of windows' first, second, ... pixels along an axis."""
    n = x.shape[axis] - size + 1
    return [x.narrow(axis, k, n) for k in range(size)]


def window_means(x: Tensor, sizes) -> Tensor:
    """Means over windows."""
    for axis, size in zip(range(-len(sizes), 0), sizes, strict=True):
        x = reduce(torch.add, shifts(x, axis, size)) / size
    return x


def window_any(mute: Tensor, sizes) -> Tensor:
    """Whether windows hold any mute pixel."""
    for axis, size in zip(range(-len(sizes), 0), sizes, strict=True):
        mute = reduce(torch.logical_or, shifts(mute, axis, size))
    return mute


def _corner_means(sizes, half):
    """Windows in the corners of a patch, one per row."""
    rows = torch.ones(1, 1, dtype=torch.float64)
    for size, part in zip(sizes, half, strict=True):
        ends = torch.zeros(2, size, dtype=torch.float64)
        ends[0, :part] = ends[1, size - part :] = 1
        rows = torch.kron(rows, ends)
    return rows
