"""Total variation under a blur, by alternating directions."""

import torch
from torch import Tensor

from skdeconv.operators import Blur
from skdeconv.operators._fourier import (
    fast_shape,
    fft,
    gradient_power,
    ifft,
    spatial_axes,
    transfer_function,
)
from skdeconv.operators._grids import along, bridge, frame
from skdeconv.solvers._differences import length, shrinkage
from skdeconv.solvers._result import SolverResult

# Iterations between looks at what has converged.
CHECK = 5
# These decide the speed only, and were found on photographs: the weight that ties the
# blurred image to its split copy, the threshold for differences as a share of the
# image's contrast, and the over-relaxation.
FIT, THRESHOLD, RELAXATION = 0.2, 1 / 3, 1.7


def deblur(
    y: Tensor,
    blur: Blur,
    alpha: Tensor,
    weight: Tensor | None,
    *,
    tol: float,
    max_iter: int,
) -> SolverResult:
    r"""Minimise the misfit and the total variation of the scene behind a blur.

    On a periodic grid that holds the scene, the blurred image and the differences have
    copies: the data pull at the first inside the frame, the penalty at the second
    inside the scene. What lies outside the scene is free and has no influence.

    Parameters
    ----------
    y : Tensor of shape (batch, channels, *spatial)
        Blurred, noisy images.
    blur : Blur
        With boundary ``"extended"`` or ``"periodic"``.
    alpha : Tensor of shape (batch, channels)
        Weights of the penalty, in the units of `y`.
    weight : Tensor of the shape of y, or None
        Weights of the pixels.
    tol : float
        An image is done when primal and dual residuals of both copies are below this
        fraction of the copies' norms.
    max_iter : int
        Most iterations.

    Returns
    -------
    result : SolverResult
        Scenes.
    """
    ndim, shape = blur.ndim, tuple(y.shape[2:])
    axes, each = spatial_axes(ndim), (..., *(None,) * ndim)
    tiny = torch.finfo(y.dtype).tiny
    grid, scene, inside = shape, blur.input_shape(shape), frame(shape)
    penalised = None
    if blur.boundary == "extended":
        grid = fast_shape(scene)
        penalised = _penalised(scene, grid, blur.margins, y)
    transfer = transfer_function(blur.psf, grid, device=y.device, dtype=y.dtype)
    power, roughness = (
        transfer.abs().square(),
        gradient_power(grid, device=y.device, dtype=y.dtype),
    )
    level = y.mean(axes, keepdim=True)
    y = y - level
    contrast = torch.linalg.vector_norm(y, dim=axes)

    if weight is None:
        weight = 1
    threshold = THRESHOLD * y.flatten(2).std(-1, correction=0)
    threshold = torch.maximum(threshold, alpha).clamp_min(tiny)
    thrift = (alpha / threshold).clamp_min(1e-5)[each]
    alpha = alpha[each]
    power = FIT * power + thrift * roughness

    x = bridge(y, grid)
    answer, converged = x, contrast == 0
    blurred, slopes = x, _differences(x, ndim)
    data, vectors = blurred, slopes
    data_dual, vectors_dual = torch.zeros_like(data), torch.zeros_like(vectors)
    n_iter = 0
    while n_iter < max_iter and not converged.all():
        n_iter += 1
        before = data, vectors
        target = torch.lerp(data, blurred, RELAXATION) - data_dual
        data = target.clone()
        data[inside] = (weight * y + FIT * target[inside]) / (weight + FIT)
        data_dual = data - target

        target = torch.lerp(vectors, slopes, RELAXATION) - vectors_dual
        vectors_dual = target.neg() if penalised is None else target * -penalised
        vectors_dual *= shrinkage(vectors_dual, alpha / thrift)
        vectors = target + vectors_dual

        spectrum = fft(data + data_dual, grid) * (FIT * transfer.conj())
        spectrum += fft(thrift * _adjoint(vectors + vectors_dual), grid)
        spectrum /= power
        x = ifft(spectrum, grid)
        blurred, slopes = ifft(spectrum * transfer, grid), _differences(x, ndim)

        if n_iter % CHECK and n_iter < max_iter:
            continue
        size = _norm(vectors, axes).clamp_min(tiny)
        residuals = (
            _norm(blurred - data, axes) / contrast,
            _norm(data - before[0], axes) / contrast,
            _norm(slopes - vectors, axes) / size,
            _norm(vectors - before[1], axes) / size,
        )
        answer = torch.where(converged[each], answer, x)
        converged = converged | (torch.stack(residuals).amax(0) <= tol)
    for axis, (first, _) in zip(axes, blur.margins, strict=True):
        if scene != shape:
            answer = answer.roll(first, axis)
    return SolverResult(answer[frame(scene)] + level, n_iter, converged)


def _norm(v, axes):
    """Norm per image and channel, of images or of vectors in every pixel."""
    magnitude = length(v) if v.ndim > len(axes) + 2 else v
    return torch.linalg.vector_norm(magnitude, dim=axes)


def _differences(x, ndim):
    """Periodic forward differences, of shape (ndim, *x.shape)."""
    return torch.stack([x.roll(-1, axis) - x for axis in spatial_axes(ndim)])


def _adjoint(p):
    """Adjoint of the periodic differences."""
    pairs = zip(p, spatial_axes(len(p)), strict=True)
    return sum(v.roll(1, axis) - v for v, axis in pairs)


def _penalised(scene, grid, margins, like):
    """One where a difference lies inside the scene, else zero."""
    masks = []
    for axis in spatial_axes(len(grid)):
        mask = torch.ones((), device=like.device, dtype=like.dtype)
        for other in spatial_axes(len(grid)):
            place = torch.arange(grid[other], device=like.device) + margins[other][0]
            inner = place % grid[other] < scene[other] - (axis == other)
            mask = mask * along(inner.to(like), other)
        masks.append(mask)
    return torch.stack(masks)[:, None, None]
