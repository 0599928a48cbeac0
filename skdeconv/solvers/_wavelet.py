"""Denoising by shrinking wavelet coefficients."""

from functools import reduce
from itertools import chain
from math import log2, prod

import torch
from torch import Tensor

from skdeconv.solvers._result import SolverResult
from skdeconv.solvers._sparse_coding import cosines
from skdeconv.solvers._wavelet_basis import compose, decompose
from skdeconv.solvers._wavelet_frame import analyse, filters, noise_gain, synthesise
from skdeconv.solvers._windows import pad_mirrored, window_sums

SHRINKAGES = ("local", "bayes")

# Pixels along each axis that tell the energy around a coefficient.
WINDOW = 5

# So many scales are never too many.
FEW = 4


def wavelet_denoise(
    y: Tensor,
    noise_std: float | Tensor,
    *,
    wavelet: str = "haar",
    levels: int = 4,
    shrinkage: str = "local",
    strength: float = 1.5,
    shifts: int | None = None,
) -> SolverResult:
    r"""Shrink wavelet coefficients towards zero, by what noise explains of them.

    The undecimated transform averages over all shifts of the grid (cycle spinning
    [1]_), the orthogonal one over some along the diagonal. Channels are first turned
    into their orthonormal cosine transform, which parts brightness from colour. Borders
    are mirrored.

    Parameters
    ----------
    y : Tensor of shape (batch, channels, *spatial)
        Noisy images.
    noise_std : float or Tensor of shape (batch,)
        Standard deviation of the white noise.
    wavelet : {"haar", "db2", ..., "db8"}, default="haar"
        The wavelet.
    levels : int, default=4
        How many scales are shrunk, from 5 on at most those whose filters reach no
        farther than twice the image beyond it.
    shrinkage : {"local", "bayes"}, default="local"
        ``"local"`` multiplies a coefficient by :math:`(1 - k \sigma^2 / e)_+`, with the
        mean square `e` of those around it [2]_; ``"bayes"`` moves all coefficients of a
        band towards zero by :math:`k \sigma^2 / s`, with the standard deviation `s` of
        the band without its noise [3]_.
    strength : float, default=1.5
        The factor `k`, non-negative.
    shifts : int or None, default=None
        Number of shifts of the orthogonal transform, at least 1; None takes the
        undecimated one.

    Returns
    -------
    result : SolverResult
        Denoised images, of the shape of `y`.

    References
    ----------
    .. [1] R. R. Coifman and D. L. Donoho, "Translation-invariant de-noising", Wavelets
       and Statistics, 1995. :doi:`10.1007/978-1-4612-2544-7_9`
    .. [2] M. K. Mihcak, I. Kozintsev, K. Ramchandran and P. Moulin, "Low-complexity
       image denoising based on statistical modeling of wavelet coefficients", IEEE
       Signal Processing Letters 6, 1999. :doi:`10.1109/97.803428`
    .. [3] S. G. Chang, B. Yu and M. Vetterli, "Adaptive wavelet thresholding for image
       denoising and compression", IEEE Transactions on Image Processing 9, 2000.
       :doi:`10.1109/83.862633`
    """
    if shrinkage not in SHRINKAGES:
        raise ValueError(f"shrinkage must be one of {SHRINKAGES}, got {shrinkage!r}.")
    ndim, channels = y.ndim - 2, y.shape[1]
    noise_std = torch.as_tensor(noise_std, dtype=y.dtype, device=y.device)
    variance = noise_std.square().expand(len(y))[(..., *(None,) * (ndim + 1))]
    shrink = {"local": _shrink_locally, "bayes": _shrink_bands}[shrinkage]

    rotation = cosines(channels, channels).to(y)
    x = _mix(rotation, y) if channels > 1 else y
    levels = min(levels, _most_levels(wavelet, y.shape[2:]))
    options = {"wavelet": wavelet, "levels": levels}
    if shifts is None:
        x = _in_frame(x, variance, shrink, strength, **options)
    else:
        starts = [k * 2**levels // shifts for k in range(shifts)]
        parts = (_in_basis(x, variance, shrink, strength, k, **options) for k in starts)
        x = reduce(torch.Tensor.add_, parts).div_(shifts)
    if channels > 1:
        x = _mix(rotation.T, x)
    done = torch.ones(y.shape[:2], dtype=torch.bool, device=y.device)
    return SolverResult(x, 0, done)


def _most_levels(wavelet, shape):
    """Number of scales from which on there is only the mean of mirrored images."""
    reach = len(filters(wavelet)[0]) - 1
    return max(FEW, int(log2(4 * max(shape) / reach)))


def _in_frame(x, variance, shrink, strength, *, wavelet, levels):
    ndim = x.ndim - 2
    margin = (len(filters(wavelet)[0]) - 1) * (2**levels - 1) // 2
    margin = max(margin, WINDOW // 2)  # the windows need as much
    padded = pad_mirrored(x, [(margin, margin)] * ndim)
    coarse, details = analyse(padded, ndim, wavelet=wavelet, levels=levels)
    for level, detail in enumerate(details):
        floor = noise_gain(level, ndim) ** 2 * variance
        for band in detail.unbind(2):  # in place, few numbers at a time
            shrink(band, floor, strength, ndim)
    scene = synthesise(coarse, details, ndim, wavelet=wavelet)
    return scene[(..., *(slice(margin, margin + n) for n in x.shape[2:]))]


def _in_basis(x, variance, shrink, strength, start, *, wavelet, levels):
    ndim, block = x.ndim - 2, 2**levels
    before = start + (len(filters(wavelet)[0]) - 2) * (block - 1) // 2
    margins = [
        (before, before - start + -(n + 2 * before - start) % block)
        for n in x.shape[2:]
    ]
    coarse, details = decompose(
        pad_mirrored(x, margins), ndim, wavelet=wavelet, levels=levels
    )
    for band in chain(*details):
        shrink(band, variance, strength, ndim)
    scene = compose(coarse, details, ndim, wavelet=wavelet)
    return scene[(..., *(slice(before, before + n) for n in x.shape[2:]))]


def _mix(matrix, x):
    return (matrix @ x.flatten(2)).view(x.shape)


def _shrink_locally(detail, variance, strength, ndim):
    energy = window_sums(_mirrored_squares(detail, ndim), (WINDOW,) * ndim)
    floor = (-strength * WINDOW**ndim) * variance
    floor = floor.clamp_max(-torch.finfo(detail.dtype).tiny)  # not 0 / 0
    gain = torch.div(floor, energy, out=energy).add_(1).clamp_min_(0)
    detail.mul_(gain)


def _mirrored_squares(detail, ndim):
    """Squares with mirrored borders, written once."""
    half, shape = WINDOW // 2, detail.shape
    if min(shape[-ndim:]) < half:
        return pad_mirrored(detail.square(), [(half, half)] * ndim)
    inner = (..., *(slice(half, half + n) for n in shape[-ndim:]))
    squares = detail.new_empty(*shape[:-ndim], *(n + 2 * half for n in shape[-ndim:]))
    torch.square(detail, out=squares[inner])
    for axis in range(-ndim, 0):
        end = half + shape[axis]
        first = squares.narrow(axis, half, half).flip(axis)
        last = squares.narrow(axis, end - half, half).flip(axis)
        squares.narrow(axis, 0, half).copy_(first)
        squares.narrow(axis, end, half).copy_(last)
    return squares


def _shrink_bands(detail, variance, strength, ndim):
    axes = tuple(range(-ndim, 0))
    norm = torch.linalg.vector_norm(detail, dim=axes, keepdim=True)
    signal = norm.square() / prod(detail.shape[-ndim:]) - variance
    threshold = strength * variance / signal.clamp_min(0).sqrt()
    threshold = torch.where(variance > 0, threshold, 0)  # not 0 / 0
    detail.sub_(torch.clamp(detail, -threshold, threshold))
