"""Deblurring with collaborative filtering as the prior."""

import torch
from torch import Tensor

from skdeconv.operators import Blur
from skdeconv.operators._fourier import fast_shape, fft, ifft, transfer_function
from skdeconv.operators._grids import bridge, frame
from skdeconv.solvers._collaborative import Stage, filter_blocks
from skdeconv.solvers._result import SolverResult
from skdeconv.solvers._sparse_coding import cosines
from skdeconv.solvers._wiener import penalty_spectrum

# Pixels between opposite ends of a scene, which would else touch on the grid.
GAP = 8

# Strength of the filter, from the first iteration to the last: a multiple of the
# geometric mean of noise and contrast, and one of the noise.
FIRST, LAST = 1.7, 1.5

# Weight of the filtered image in the Fourier division, as a part of the squared ratio
# of the two noise levels. Found, like the above, on photographs under camera shake.
COUPLING = 0.35

# The penalty of the linear start, and its iterations. What a weak one amplifies, the
# turns take for structure; they return what a strong one takes away.
START, START_ITER = 500.0, 50


def block_deconvolve(
    y: Tensor,
    blur: Blur,
    noise_std: Tensor,
    *,
    patch_size: int | tuple[int, ...],
    stages: tuple[Stage, Stage],
    max_iter: int = 16,
    weight: Tensor | None = None,
) -> SolverResult:
    r"""Deblur by turns of a Fourier division and collaborative filtering.

    From a linear start that is filtered in both passes, a turn solves

    .. math:: \min_x \; \|H x - y\|^2 + \rho_k \|x - z\|^2

    and filters the solution x for noise of level :math:`\sigma_k`, with the z before as
    the pilot, to the next z. The level falls geometrically to near that of the noise
    :math:`\sigma`, and :math:`\rho_k \propto \sigma^2 / \sigma_k^2`.

    Parameters
    ----------
    y : Tensor of shape (batch, channels, *spatial)
        Blurred, noisy images.
    blur : Blur
        The blur, with boundary ``"extended"`` or ``"periodic"``.
    noise_std : Tensor of shape (batch,)
        Standard deviation of the noise.
    patch_size : int or tuple of int
        Size of a block, clipped to the image.
    stages : tuple of two Stage
        The thresholding pass, used once, and the Wiener pass.
    max_iter : int, default=16
        Turns.
    weight : Tensor of the shape of y, or None, default=None
        Weights of the pixels in [0, 1]; 0 hides a pixel.

    Returns
    -------
    result : SolverResult
        Restored images, of the shape of `y`.

    Notes
    -----
    The scene lies on a periodic grid, for ``"extended"`` larger than the image. Blurred
    pixels that are not seen, or in part, are completed by those of the last solution,
    which majorises the weighted misfit: the division stays closed form. The grid of
    blocks moves from turn to turn.

    References
    ----------
    .. [1] A. Danielyan, V. Katkovnik and K. Egiazarian, "BM3D frames and variational
       image deblurring", IEEE Transactions on Image Processing 21, 2012.
       https://doi.org/10.1109/TIP.2011.2176954
    """
    if blur.boundary not in ("extended", "periodic"):
        raise ValueError(
            "block_deconvolve needs boundary 'extended' or 'periodic', got "
            f"{blur.boundary!r}."
        )
    axes, each = tuple(range(2, y.ndim)), (-1, *[1] * (y.ndim - 1))
    shape = grid = tuple(y.shape[2:])
    if blur.boundary == "extended":
        grid = fast_shape(tuple(n + GAP for n in blur.input_shape(shape)))
    inside = frame(shape)
    transfer = transfer_function(blur.psf, grid, device=y.device, dtype=y.dtype)
    power = transfer.abs().square()

    # Uncorrelated channels of mean 0, in units of the noise.
    known = torch.ones_like(y) if weight is None else weight.expand_as(y).to(y)
    total = known.sum(axes, keepdim=True).clamp_min(torch.finfo(y.dtype).tiny)
    mean = (known * y).sum(axes, keepdim=True) / total
    spread = (known * (y - mean).square()).sum(axes, keepdim=True) / total
    spread = spread.mean(1, keepdim=True).sqrt()
    level = torch.as_tensor(noise_std, dtype=y.dtype, device=y.device)
    level = torch.maximum(level.expand(len(y)).reshape(each), 1e-3 * spread)
    level = torch.where(level > 0, level, 1)
    contrast = (spread / level).clamp_min(1)
    rotation = cosines(y.shape[1], y.shape[1]).to(y)
    y = torch.einsum("kc,bc...->bk...", rotation, (y - mean) / level)
    known = known.amin(1, keepdim=True)  # the channels are mixed

    def complete(spectrum):
        blurred = ifft(spectrum * transfer, grid)
        blurred[inside] += known * (y - blurred[inside])
        return blurred

    penalty = penalty_spectrum(grid, START / contrast.square(), "laplacian", y)
    inverse = transfer.conj() / (power + penalty)
    spectrum = fft(bridge(y * (known > 0), grid), grid) * inverse
    point = spectrum
    for k in range(START_ITER):  # with Nesterov's momentum
        before, spectrum = spectrum, fft(complete(point), grid) * inverse
        point = spectrum + k / (k + 3) * (spectrum - before)
    x = ifft(spectrum, grid)
    left = torch.arange(max_iter - 1, -1, -1, dtype=y.dtype, device=y.device)
    left = left / max(1, max_iter - 1)
    first = torch.log((FIRST * contrast.sqrt()).clamp_min(LAST) / LAST)
    z = None
    for turn, share in enumerate(left):
        strength = LAST * torch.exp(first * share)
        if turn:
            coupling = COUPLING / strength.square()
            spectrum = fft(complete(spectrum), grid) * transfer.conj()
            spectrum = (spectrum + coupling * fft(z, grid)) / (power + coupling)
            x = ifft(spectrum, grid)
        shift = [turn * (a + 1) % stages[1].step for a in range(len(grid))]
        x = x.roll(shift, axes) / strength
        if turn:
            z = z.roll(shift, axes) / strength
        else:
            z = filter_blocks(x, None, patch_size=patch_size, stage=stages[0])
        z = filter_blocks(x, z, patch_size=patch_size, stage=stages[1])
        z = (z * strength).roll([-s for s in shift], axes)
    x = torch.einsum("kc,bk...->bc...", rotation, z[inside]) * level + mean
    done = torch.ones(x.shape[:2], dtype=torch.bool, device=x.device)
    return SolverResult(x, max_iter, done)
