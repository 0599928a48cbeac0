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
    start: tuple[Tensor, ...] = (),
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
    start : tuple of Tensor, default=()
        State of the answer to the same data at another `alpha`.

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
    sharp = blur.psf.size == 1
    level = y.mean(axes, keepdim=True)
    y = y - level
    contrast = torch.linalg.vector_norm(y, dim=axes)

    threshold = THRESHOLD * y.flatten(2).std(-1, correction=0)
    threshold = torch.maximum(threshold, alpha).clamp_min(tiny)
    thrift = (alpha / threshold).clamp_min(1e-5)[each]
    radius = alpha[each] / thrift
    weight = 1 if weight is None else weight
    pull, share = weight * y / (weight + FIT), FIT / (weight + FIT)
    power = FIT * power + thrift * roughness
    back = FIT * transfer.conj() / power
    smooth = (thrift / power).to(back)

    if start:
        x, data_dual, vectors_dual = (part.clone() for part in start)
        vectors_dual = vectors_dual.movedim(1, 0)
        blurred = ifft(fft(x, grid) * transfer, grid)
    else:
        x = blurred = bridge(y, grid)
        data_dual, vectors_dual = torch.zeros_like(x), x.new_zeros((ndim, *x.shape))
    answer, converged = x, contrast == 0
    slopes = torch.empty_like(vectors_dual)
    _differences(x, slopes)
    data, vectors = blurred.clone(), slopes.clone()
    # Large tensors are written in place: fresh ones cost as much as the arithmetic.
    target, targets, factor = map(torch.empty_like, (data, vectors, data))
    n_iter = 0
    while n_iter < max_iter and not converged.all():
        n_iter += 1
        look = (tol > 0 and n_iter % CHECK == 0) or n_iter == max_iter
        before = (data.clone(), vectors.clone()) if look else None

        torch.lerp(data, blurred, RELAXATION, out=target).sub_(data_dual)
        data.copy_(target)
        data[inside].mul_(share).add_(pull)
        torch.sub(data, target, out=data_dual)

        torch.lerp(vectors, slopes, RELAXATION, out=targets).sub_(vectors_dual)
        torch.neg(targets, out=vectors_dual)
        if penalised is not None:
            vectors_dual *= penalised
        vectors_dual *= shrinkage(vectors_dual, radius, out=factor)
        torch.add(targets, vectors_dual, out=vectors)

        spectrum = fft(torch.add(data, data_dual, out=target), grid).mul_(back)
        torch.add(vectors, vectors_dual, out=targets)
        spectrum.addcmul_(fft(_adjoint(targets, target), grid), smooth)
        x = ifft(spectrum, grid)
        blurred = x if sharp else ifft(spectrum.mul_(transfer), grid)
        _differences(x, slopes)

        if not look:
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
    state = x, data_dual, vectors_dual.movedim(0, 1)
    for axis, (first, _) in zip(axes, blur.margins, strict=True):
        if scene != shape:
            answer = answer.roll(first, axis)
    return SolverResult(answer[frame(scene)] + level, n_iter, converged, state)


def _norm(v, axes):
    """Norm per image and channel, of images or of vectors in every pixel."""
    magnitude = length(v) if v.ndim > len(axes) + 2 else v
    return torch.linalg.vector_norm(magnitude, dim=axes)


def _differences(x, out):
    """Periodic forward differences, of shape (ndim, *x.shape)."""
    for slopes, axis in zip(out, spatial_axes(len(out)), strict=True):
        n = x.shape[axis] - 1
        first, last = x.narrow(axis, 0, n), x.narrow(axis, 1, n)
        torch.sub(last, first, out=slopes.narrow(axis, 0, n))
        ends = x.narrow(axis, 0, 1), x.narrow(axis, n, 1)
        torch.sub(*ends, out=slopes.narrow(axis, n, 1))


def _adjoint(p, out):
    """Adjoint of the periodic differences."""
    torch.neg(p[0], out=out)
    for k, (v, axis) in enumerate(zip(p, spatial_axes(len(p)), strict=True)):
        n = v.shape[axis] - 1
        if k:
            out -= v
        out.narrow(axis, 1, n).add_(v.narrow(axis, 0, n))
        out.narrow(axis, 0, 1).add_(v.narrow(axis, n, 1))
    return out


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
