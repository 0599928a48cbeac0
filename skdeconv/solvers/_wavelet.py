"""Denoising by shrinking undecimated wavelet coefficients."""

import torch
from torch import Tensor

from skdeconv.solvers._result import SolverResult
from skdeconv.solvers._sparse_coding import cosines
from skdeconv.solvers._wavelet_frame import analyse, filters, noise_gain, synthesise
from skdeconv.solvers._windows import pad_mirrored, window_sums

SHRINKAGES = ("local", "bayes")

# Pixels along each axis that tell the energy around a coefficient.
WINDOW = 5


def wavelet_denoise(
    y: Tensor,
    noise_std: float | Tensor,
    *,
    wavelet: str = "haar",
    levels: int = 4,
    shrinkage: str = "local",
    strength: float = 1.5,
) -> SolverResult:
    r"""Shrink wavelet coefficients towards zero, by what noise explains of them.

    The undecimated transform averages over all shifts of the grid (cycle spinning
    [1]_). Channels are first turned into their orthonormal cosine transform, which
    parts brightness from colour. Borders are mirrored.

    Parameters
    ----------
    y : Tensor of shape (batch, channels, *spatial)
        Noisy images.
    noise_std : float or Tensor of shape (batch,)
        Standard deviation of the white noise.
    wavelet : {"haar", "db2", ..., "db8"}, default="haar"
        The wavelet.
    levels : int, default=4
        How many scales are shrunk.
    shrinkage : {"local", "bayes"}, default="local"
        ``"local"`` multiplies a coefficient by :math:`(1 - k \sigma^2 / e)_+`, with the
        mean square `e` of those around it [2]_; ``"bayes"`` moves all coefficients of a
        band towards zero by :math:`k \sigma^2 / s`, with the standard deviation `s` of
        the band without its noise [3]_.
    strength : float, default=1.5
        The factor `k`, non-negative.

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
    variance = noise_std.square().expand(len(y))[(..., *(None,) * (ndim + 2))]
    shrink = {"local": _shrink_locally, "bayes": _shrink_bands}[shrinkage]

    rotation = cosines(channels, channels).to(y)
    x = torch.einsum("kc,bc...->bk...", rotation, y) if channels > 1 else y
    margin = (len(filters(wavelet)[0]) - 1) * (2**levels - 1) // 2
    coarse, details = analyse(
        pad_mirrored(x, [(margin, margin)] * ndim), ndim, wavelet=wavelet, levels=levels
    )
    for level, detail in enumerate(details):
        floor = noise_gain(level, ndim) ** 2 * variance
        details[level] = shrink(detail, floor, strength, ndim)
    x = synthesise(coarse, details, ndim, wavelet=wavelet)
    x = x[(..., *(slice(margin, margin + n) for n in y.shape[2:]))]
    if channels > 1:
        x = torch.einsum("kc,bk...->bc...", rotation, x)
    done = torch.ones(y.shape[:2], dtype=torch.bool, device=y.device)
    return SolverResult(x, 0, done)


def _shrink_locally(detail, variance, strength, ndim):
    room = [(WINDOW // 2, WINDOW // 2)] * ndim
    squares = pad_mirrored(detail.square(), room)
    energy = window_sums(squares, (WINDOW,) * ndim)
    floor = strength * WINDOW**ndim * variance
    gain = energy.clamp_min_(torch.finfo(detail.dtype).tiny).reciprocal_().mul_(-floor)
    return gain.add_(1).clamp_min_(0).mul_(detail)


def _shrink_bands(detail, variance, strength, ndim):
    axes = tuple(range(-ndim, 0))
    signal = detail.square().mean(axes, keepdim=True) - variance
    threshold = strength * variance / signal.clamp_min(0).sqrt()
    threshold = torch.where(variance > 0, threshold, 0)  # not 0 / 0
    return detail - torch.clamp(detail, -threshold, threshold)
