"""Collaborative filtering: similar blocks, stacked and filtered together."""

from dataclasses import dataclass
from functools import reduce
from math import ceil, log2, prod

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from skdeconv.solvers._block_matching import match_blocks
from skdeconv.solvers._patches import add_patches, clip_patch_size, extract_patches
from skdeconv.solvers._result import SolverResult
from skdeconv.solvers._sparse_coding import cosines

# Positions of blocks that are transformed, and coefficients filtered, at once.
SLAB = 2**17
CHUNK = 2**19

# Shape of the window that weights the pixels of a block.
KAISER = 2.0

# Low-pass of the biorthogonal spline wavelet 1.5, whose high-pass is Haar's.
LOWPASS = [3, -3, -22, 22, 128, 128, 22, -22, -3, 3]


@dataclass(frozen=True)
class Stage:
    """How one of the two passes over an image goes.

    Parameters
    ----------
    group_size : int
        Blocks in a group, rounded down to a power of two.
    radius : int
        How far away, along every axis, a block of the group may be.
    step : int
        Spacing of the blocks that groups are found for.
    detail : float
        Share of the cosine coefficients, the smooth ones, by which blocks are compared.
    threshold : float
        Coefficients below so many standard deviations of the noise are zeroed. Only
        without a pilot.
    """

    group_size: int
    radius: int
    step: int
    detail: float
    threshold: float = 2.7


def collaborative_filter(
    x: Tensor,
    noise_std: Tensor,
    *,
    patch_size: int | tuple[int, ...],
    stages: tuple[Stage, Stage],
) -> SolverResult:
    r"""Remove white noise by filtering groups of similar blocks together [1]_.

    In the first pass the blocks nearest to each of a grid of blocks are stacked, the
    stack is transformed along all its axes and small coefficients are zeroed; in the
    second, blocks are matched on the outcome, and the spectra of its stacks are the
    signal powers of a Wiener filter on those of `x`. Blocks are put back with weights
    inverse to the noise left in their group.

    Parameters
    ----------
    x : Tensor of shape (batch, channels, *spatial)
        Noisy images. Channels are rotated to uncorrelated ones, and matched on the
        first, their mean.
    noise_std : Tensor of shape (batch,)
        Standard deviation of the noise; where it is 0, the image comes back as it is.
    patch_size : int or tuple of int
        Size of a block, clipped to the image.
    stages : tuple of two Stage
        The first and the second pass.

    Returns
    -------
    result : SolverResult
        Denoised images, of the shape of `x`.

    Notes
    -----
    Groups have a fixed size; the Haar transform along a group sorted by distance keeps
    unlike blocks apart. Aggregation happens on the coefficients: a block's transform is
    undone once for all groups that it is in. Slabs of the first axis bound the memory.

    References
    ----------
    .. [1] K. Dabov, A. Foi, V. Katkovnik and K. Egiazarian, "Image denoising by sparse
       3-D transform-domain collaborative filtering", IEEE Transactions on Image
       Processing 16, 2007. https://doi.org/10.1109/TIP.2007.901238
    """
    axes = tuple(range(2, x.ndim))
    level = torch.as_tensor(noise_std, dtype=x.dtype, device=x.device).expand(len(x))
    level = level.reshape(-1, *[1] * (x.ndim - 1))
    spread = x.flatten(1).std(1, correction=0).reshape(level.shape)
    noisy = level > torch.finfo(x.dtype).eps * spread  # more than rounding
    scale = torch.where(noisy, level, 1)
    mean = x.mean(axes, keepdim=True)
    rotation = cosines(x.shape[1], x.shape[1]).to(x)
    unit = torch.einsum("kc,bc...->bk...", rotation, (x - mean) / scale)
    pilot = filter_blocks(unit, None, patch_size=patch_size, stage=stages[0])
    unit = filter_blocks(unit, pilot, patch_size=patch_size, stage=stages[1])
    restored = torch.einsum("kc,bk...->bc...", rotation, unit) * scale + mean
    restored = torch.where(noisy, restored, x)
    done = torch.ones(x.shape[:2], dtype=torch.bool, device=x.device)
    return SolverResult(restored, 2, done)


def filter_blocks(
    x: Tensor,
    pilot: Tensor | None,
    *,
    patch_size: int | tuple[int, ...],
    stage: Stage,
    variance: Tensor | None = None,
) -> Tensor:
    """Pass once over images whose noise has unit variance.

    Parameters
    ----------
    x : Tensor of shape (batch, channels, *spatial)
        Noisy images of mean about 0; blocks are matched on the first channel.
    pilot : Tensor of the shape of `x` or None
        Estimate of the clean images, which gives the spectra of a Wiener filter;
        without it coefficients are thresholded.
    patch_size : int or tuple of int
        Size of a block, clipped to the image.
    stage : Stage
        Groups and grid.
    variance : Tensor of shape (prod(patch_size),), default=None
        Variance of the noise in the coefficients of a block where it is not white, in
        the order and scale of :func:`block_transform`.

    Returns
    -------
    x : Tensor of shape (batch, channels, *spatial)
        Filtered images.
    """
    shape = tuple(x.shape[2:])
    patch = clip_patch_size(patch_size, shape)
    step = tuple(min(stage.step, p) for p in patch)
    # The grid of blocks is to end at the border.
    full = tuple(n + (p - n) % s for n, p, s in zip(shape, patch, step, strict=True))
    kind = "wavelet" if pilot is None else "cosine"
    plan = _Plan(patch, step, stage, kind, variance, x)
    x = _prolong(x, full)
    pilot = None if pilot is None else _prolong(pilot, full)
    total, weight = torch.zeros_like(x), torch.zeros_like(x)
    counts = [(n - p) // s + 1 for n, p, s in zip(full, patch, step, strict=True)]
    per_row = prod(full[1:]) * x.shape[1]
    images = max(1, SLAB // (per_row * full[0]))
    rows = max(1, SLAB // (per_row * step[0]))
    rows = ceil(counts[0] / ceil(counts[0] / rows))
    for image in range(0, len(x), images):
        for first in range(0, counts[0], rows):
            last = min(first + rows, counts[0]) - 1
            low = max(0, first * step[0] - stage.radius)
            high = min(full[0], last * step[0] + stage.radius + patch[0])
            part = (slice(image, image + images), slice(None), slice(low, high))
            start = (first * step[0] - low, *[0] * (len(shape) - 1))
            slab = plan.filter(
                x[part],
                None if pilot is None else pilot[part],
                start,
                (last - first + 1, *counts[1:]),
            )
            total[part] += slab[0]
            weight[part] += slab[1]
    return (total / weight)[(..., *map(slice, shape))]


class _Plan:
    """What all slabs share: transforms, windows, sizes."""

    def __init__(self, patch, step, stage, kind, variance, like):
        self.patch, self.step, self.stage = patch, step, stage
        forward = block_transform(patch, kind)
        self.forward = forward.to(like)
        self.inverse = torch.linalg.inv(forward).to(like)
        n_features = ceil(stage.detail * prod(patch))
        self.smooth = block_transform(patch, "cosine")[:n_features].to(like)
        self.windows = [torch.from_numpy(np.kaiser(p, KAISER)).to(like) for p in patch]
        self.variance = None if variance is None else variance.to(like)

    def filter(self, x, pilot, start, counts):
        """Sum of weighted blocks, and sum of weights, over a slab."""
        stage, patch, shape = self.stage, self.patch, tuple(x.shape[2:])
        batch, channels = x.shape[:2]
        positions = [n - p + 1 for n, p in zip(shape, patch, strict=True)]
        radius = tuple(min(stage.radius, n - 1) for n in positions)
        corner = prod(min(n, r + 1) for n, r in zip(positions, radius, strict=True))
        size = 2 ** int(log2(min(stage.group_size, corner)))
        blocks = extract_patches(x, patch, len(shape))
        coefficients, spectra = self._transform(blocks), None
        if pilot is None:
            smooth = torch.matmul(self.smooth, blocks[..., : prod(patch)].mT)
        else:
            spectra = self._transform(extract_patches(pilot, patch, len(shape)))
            smooth = spectra.view(*blocks.shape)[..., : len(self.smooth)].mT
        index = match_blocks(
            smooth.reshape(batch, -1, *positions),
            start,
            counts,
            step=self.step,
            radius=radius,
            size=size,
            nearness=1e-3 * len(self.smooth),
        )
        total = torch.zeros_like(coefficients)
        weight = x.new_zeros(len(total), channels)
        chunk = max(1, CHUNK // (size * total.shape[1]))
        for group in index.split(chunk, 1):
            group = group.contiguous()
            self._filter_groups(group, coefficients, spectra, total, weight)
        total = total.view(-1, prod(patch)) @ self.inverse.T
        for axis, window in enumerate(self.windows):
            total.view(-1, *patch).mul_(
                window.reshape(-1, *[1] * (len(patch) - 1 - axis))
            )
        total = total.reshape(batch, prod(positions), -1)
        weight = weight.reshape(batch, *positions, channels).movedim(-1, 1)
        return add_patches(total, shape, patch), _spread(weight, self.windows)

    def _transform(self, blocks):
        """Coefficients of blocks, a row (channels * prod(patch)) for each position."""
        rows = blocks.reshape(-1, prod(self.patch)) @ self.forward.T
        return rows.view(-1, blocks.shape[-1])

    def _filter_groups(self, index, coefficients, spectra, total, weight):
        """Filter groups (size, n) of rows of coefficients and add them to `total`."""
        size, n = index.shape
        shape = (size, n, weight.shape[1], -1)
        stacked = _haar(F.embedding(index, coefficients)).view(shape)
        blocks = _haar_variance(size).to(stacked).view(-1, 1, 1, 1)
        noise = blocks if self.variance is None else blocks * self.variance
        if spectra is None:
            gain = stacked.abs().gt(self.stage.threshold * noise.sqrt()).to(stacked)
            gain[0, ..., 0] = 1
        else:
            gain = _haar(F.embedding(index, spectra)).view(shape).square_()
            gain = gain.div_(gain + noise)
        stacked *= gain
        left = gain.square_()
        if self.variance is not None:
            left = left.mul_(self.variance)
        certainty = 1 / left.sum((0, 3)).clamp_min(1e-3)
        stacked *= (certainty / blocks[..., 0])[..., None]
        rows = index.flatten()
        stacked = _haar_adjoint(stacked.view(size, -1)).view(size * n, -1)
        total.index_add_(0, rows, stacked)
        weight.index_add_(0, rows, certainty.repeat(size, 1))


def block_transform(patch: tuple[int, ...], kind: str) -> Tensor:
    """Separable transform of a block, the smoothest functions first.

    Parameters
    ----------
    patch : tuple of int
        Size of a block per axis.
    kind : {"cosine", "wavelet"}
        The orthonormal cosine transform, or the biorthogonal spline wavelet 1.5 along
        the axes whose size is a power of two.

    Returns
    -------
    transform : Tensor of float64 of shape (prod(patch), prod(patch))
        Analysis functions of unit norm in the rows; the first is constant.
    """
    rows = [
        _wavelet(p)
        if kind == "wavelet" and p > 2 and p & (p - 1) == 0
        else cosines(p, p)
        for p in patch
    ]
    waves = np.meshgrid(*(np.arange(p) / p for p in patch), indexing="ij")
    order = np.argsort(sum(w**2 for w in waves).ravel(), kind="stable")
    return reduce(torch.kron, rows)[torch.from_numpy(order)]


def _wavelet(n):
    """Periodic wavelet transform of n = 2**k samples as a matrix of unit rows."""
    matrix, smooth = [], torch.eye(n, dtype=torch.float64)
    lowpass = torch.tensor(LOWPASS, dtype=torch.float64)
    while len(smooth) > 1:
        pairs = smooth.view(-1, 2, n)
        matrix.insert(0, pairs[:, 0] - pairs[:, 1])
        centre = torch.arange(0, len(smooth), 2)[:, None]
        taps = (centre + torch.arange(-4, 6)) % len(smooth)
        smooth = (lowpass[:, None] * smooth[taps]).sum(1)
    return F.normalize(torch.cat([smooth, *matrix]), dim=1)


def _haar(x):
    """Sums and differences along the first axis, of length 2**k: Haar's, not scaled."""
    y = torch.empty_like(x)
    while len(x) > 1:
        half = len(x) // 2
        torch.sub(x[::2], x[1::2], out=y[half : 2 * half])
        x = x[::2] + x[1::2]
    y[0] = x[0]
    return y


def _haar_adjoint(y):
    x = y[:1]
    while len(x) < len(y):
        half = len(x)
        longer = y.new_empty(2 * half, *y.shape[1:])
        torch.add(x, y[half : 2 * half], out=longer[::2])
        torch.sub(x, y[half : 2 * half], out=longer[1::2])
        x = longer
    return x


def _haar_variance(n):
    """Variance of each row of :func:`_haar` of unit noise."""
    return torch.tensor([float(n)] + [n / 2 ** int(log2(i)) for i in range(1, n)])


def _prolong(x, shape):
    """Mirror the far end of each axis, without repeating the last pixel."""
    for axis, size in enumerate(shape, start=2):
        n = x.shape[axis]
        i = torch.arange(size, device=x.device)
        x = x.index_select(axis, torch.where(i < n, i, 2 * n - 2 - i).clamp_min(0))
    return x


def _spread(weight, windows):
    """Add windows up to an image: ``weight[i]`` times the window at each i."""
    for axis, window in enumerate(windows, start=2):
        n = weight.shape[axis]
        shape = list(weight.shape)
        shape[axis] = n + len(window) - 1
        total = weight.new_zeros(shape)
        for offset, value in enumerate(window):
            total.narrow(axis, offset, n).add_(value * weight)
        weight = total
    return weight
