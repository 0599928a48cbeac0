"""Deblurring with few cosine waves per patch."""

from math import sqrt

import torch
import torch.nn.functional as F
from torch import Tensor

from skdeconv.operators import Blur
from skdeconv.operators._filling import fill_in
from skdeconv.operators._fourier import fast_shape, fft, ifft, transfer_function
from skdeconv.operators._grids import bridge, frame
from skdeconv.solvers._result import SolverResult
from skdeconv.solvers._sparse_coding import cosines

WINDOW = 4  # pixels per axis of the patches; 4 beat 3, 5, 6, 8 and three-level Haar


def patch_waves(size: int, ndim: int) -> Tensor:
    """Products of cosine waves along all axes, as kernels of a convolution.

    Parameters
    ----------
    size : int
        Pixels per axis of a patch.
    ndim : int
        Number of spatial axes.

    Returns
    -------
    waves : Tensor of shape (size**ndim, 1, *patch)
        Orthogonal, of such a norm that overlapping patches make a tight frame; the
        first is constant.
    """
    waves = products = cosines(size, size) / sqrt(size)
    for _ in range(ndim - 1):
        products = torch.einsum("a...,bj->ab...j", products, waves).flatten(0, 1)
    return products[:, None]


def cosine_frame(x: Tensor, waves: Tensor) -> Tensor:
    """Transform all overlapping patches of periodic images to cosine waves.

    A tight frame: :func:`cosine_frame_adjoint` inverts it, and it keeps norms.

    Parameters
    ----------
    x : Tensor of shape (batch, channels, *spatial)
        Images.
    waves : Tensor of shape (n_waves, 1, *patch)
        Those of :func:`patch_waves`.

    Returns
    -------
    coefficients : Tensor of shape (batch, channels, n_waves, *spatial)
        The first of the third axis are patch means, scaled.
    """
    shape = x.shape[:2]
    for axis, size in enumerate(waves.shape[2:], start=2):
        wrapped = torch.arange(x.shape[axis] + size - 1, device=x.device)
        x = x.index_select(axis, wrapped % x.shape[axis])
    convolve = (F.conv1d, F.conv2d, F.conv3d)[waves.ndim - 3]
    return convolve(x.flatten(0, 1)[:, None], waves).unflatten(0, shape)


def cosine_frame_adjoint(coefficients: Tensor, waves: Tensor) -> Tensor:
    """Put the patches together again: adjoint and inverse of :func:`cosine_frame`.

    Parameters
    ----------
    coefficients : Tensor of shape (batch, channels, n_waves, *spatial)
        As :func:`cosine_frame` gives them.
    waves : Tensor of shape (n_waves, 1, *patch)
        Those of :func:`patch_waves`.

    Returns
    -------
    x : Tensor of shape (batch, channels, *spatial)
        Images.
    """
    patch, spatial = waves.shape[2:], coefficients.shape[3:]
    pixels = waves.flatten(1).T @ coefficients.flatten(3)
    x = pixels.unflatten(2, patch).unflatten(-1, spatial)
    for axis in range(-len(spatial), 0):
        first, *others = x.unbind(2)
        x = first.clone()
        for offset, pixel in enumerate(others, start=1):
            x += pixel.roll(offset, axis)
    return x


def sparse_deconvolve(
    y: Tensor,
    blur: Blur,
    *,
    alpha: float | Tensor,
    weight: Tensor | None = None,
    max_iter: int = 100,
    tol: float = 2e-3,
) -> SolverResult:
    r"""Deblur images whose patches take few cosine waves.

    .. math:: \min_x \tfrac12 \|H x - y\|^2 + \alpha \|W x\|_1

    with the undecimated cosine transform `W` of patches of 4 pixels per axis, a tight
    frame; patch means are free. The blur is periodic on a grid larger than the image,
    of which only the frame is compared with the data, so that no border is invented;
    ADMM splits it into Fourier divisions and pointwise steps [1]_.

    Parameters
    ----------
    y : Tensor of shape (batch, channels, *spatial)
        Blurred, noisy images.
    blur : Blur
        The blur, with boundary ``"extended"`` or ``"periodic"``.
    alpha : float or Tensor broadcastable to (batch, channels)
        Weight of the penalty, in the units of `y`; larger is smoother.
    weight : Tensor of the shape of y, or None, default=None
        Weights of the pixels in the misfit, in [0, 1]; those of weight 0 have no
        influence.
    max_iter : int, default=100
        Most iterations.
    tol : float, default=2e-3
        An image is done when a step changes it by less than `tol` times its contrast.

    Returns
    -------
    result : SolverResult
        Restored images, of the shape of `y`.

    Notes
    -----
    Takes ``4**ndim`` numbers per pixel, several times over.

    References
    ----------
    .. [1] M. S. C. Almeida and M. A. T. Figueiredo, "Deconvolving images with unknown
       boundaries using the alternating direction method of multipliers", IEEE
       Transactions on Image Processing 22, 2013. :doi:`10.1109/TIP.2013.2258354`
    """
    if blur.boundary not in ("extended", "periodic"):
        raise ValueError(
            "sparse_deconvolve needs boundary 'extended' or 'periodic', got "
            f"{blur.boundary!r}."
        )
    ndim, shape = blur.ndim, tuple(y.shape[2:])
    each, axes = (..., *(None,) * ndim), tuple(range(2, 2 + ndim))
    grid = shape
    if blur.boundary == "extended":
        grid = fast_shape(blur.input_shape(shape))
    inside = frame(shape)
    transfer = transfer_function(blur.psf, grid, device=y.device, dtype=y.dtype)
    power = transfer.abs().square()
    waves = patch_waves(WINDOW, ndim).to(y)
    known = torch.ones_like(y) if weight is None else weight
    y = fill_in(y, known > 0)
    level = y.mean(axes, keepdim=True)
    y = y - level
    contrast = torch.linalg.vector_norm(y, dim=axes)

    # The splitting weights `fit` and `thrift` decide the speed only. A threshold of a
    # sixth of the contrast suits photographs.
    alpha = torch.as_tensor(alpha, dtype=y.dtype, device=y.device).expand(y.shape[:2])
    threshold = y.flatten(2).std(-1, correction=0) / 6
    threshold = torch.maximum(threshold, alpha).clamp_min(torch.finfo(y.dtype).tiny)
    fit, thrift = 0.05, (alpha / threshold).clamp_min(1e-4)
    penalised = (torch.arange(WINDOW**ndim, device=y.device) > 0)[each]
    threshold, thrift = (alpha / thrift)[..., None][each] * penalised, thrift[each]

    x = bridge(y, grid)
    spectrum = fft(x, grid)
    blurred_dual = torch.zeros_like(x)
    sparse_dual = torch.zeros_like(cosine_frame(x, waves))
    converged = contrast == 0
    n_iter = 0
    while n_iter < max_iter and not converged.all():
        n_iter += 1
        target = ifft(spectrum * transfer, grid) - blurred_dual
        blurred = target.clone()
        blurred[inside] = (known * y + fit * target[inside]) / (known + fit)
        blurred_dual = blurred - target

        sparse = cosine_frame(x, waves).sub_(sparse_dual)
        sparse_dual = sparse.clamp(-threshold, threshold).neg_()

        pull = fft(blurred + blurred_dual, grid) * transfer.conj() * fit
        sparse.add_(sparse_dual, alpha=2)  # what is kept of it, and the dual again
        sparse = cosine_frame_adjoint(sparse, waves)
        pull += fft(thrift * sparse, grid)
        spectrum = pull / (fit * power + thrift)
        previous, x = x, ifft(spectrum, grid)
        x = torch.where(converged[each], previous, x)

        change = torch.linalg.vector_norm((x - previous)[inside], dim=axes)
        converged = converged | (change <= tol * contrast)
    return SolverResult(x[inside] + level, n_iter, converged)
