"""Total variation under a blur, by alternating directions."""

import torch
from torch import Tensor

from skdeconv.operators import Blur
from skdeconv.operators._fourier import (
    fast_shape,
    fft,
    ifft,
    spatial_axes,
    transfer_function,
)
from skdeconv.operators._grids import along, bridge, frame
from skdeconv.solvers._gradient import shrinkage
from skdeconv.solvers._result import SolverResult

CHECK = 5


def fill(y: Tensor, weight: Tensor) -> Tensor:
    """Put the weighted mean of an image where its weight is zero."""
    known = weight > 0
    y = torch.where(known, y, 0)
    axes = tuple(range(2, y.ndim))
    total = weight.sum(axes, keepdim=True)
    mean = (weight * y).sum(axes, keepdim=True) / total.clamp_min(
        torch.finfo(y.dtype).tiny
    )
    return torch.where(known, y, mean)


def deblur(
    y: Tensor,
    blur: Blur | None,
    alpha: Tensor,
    weight: Tensor | None,
    *,
    tol: float,
    max_iter: int,
    fit0=0.05,
    thr0=1 / 6,
    relax=1.0,
    trace=None,
) -> SolverResult:
    ndim, shape = y.ndim - 2, tuple(y.shape[2:])
    each, axes = (..., *(None,) * ndim), spatial_axes(ndim)
    tiny = torch.finfo(y.dtype).tiny
    grid = scene = shape
    margins = ((0, 0),) * ndim
    wraps = blur is not None and blur.boundary == "periodic"
    if not wraps:
        if blur is not None:
            scene, margins = blur.input_shape(shape), blur.margins
        grid = fast_shape(scene)
    transfer = torch.ones((), device=y.device, dtype=y.dtype)
    if blur is not None:
        transfer = transfer_function(blur.psf, grid, device=y.device, dtype=y.dtype)
    inside = frame(shape)
    power, roughness = transfer.abs().square(), _roughness(grid, y)
    penalised = None if wraps else _penalised(scene, grid, margins, y)
    level = y.mean(axes, keepdim=True)
    y = y - level
    contrast = torch.linalg.vector_norm(y, dim=axes)
    w = 1.0 if weight is None else weight

    threshold = y.flatten(2).std(-1, correction=0) * thr0
    threshold = torch.maximum(threshold, alpha).clamp_min(tiny)
    fit = torch.full_like(alpha, fit0)[each]
    thrift = (alpha / threshold).clamp_min(1e-6)[each]

    x = bridge(y, grid)
    spectrum = fft(x, grid)
    data_dual = torch.zeros_like(x)
    v_dual = x.new_zeros((ndim, *x.shape))
    data = blurred = x
    vectors = _differences(x, ndim)
    converged = contrast == 0
    n_iter = 0
    while n_iter < max_iter and not converged.all():
        n_iter += 1
        check = n_iter % CHECK == 0
        before = data, vectors
        blurred = ifft(spectrum * transfer, grid)
        target = torch.lerp(data, blurred, relax) - data_dual
        data = target.clone()
        data[inside] = (w * y + fit * target[inside]) / (w + fit)
        data_dual = data - target

        slopes = _differences(x, ndim)
        target = torch.lerp(vectors, slopes, relax) - v_dual
        v_dual = -target if penalised is None else -target * penalised
        v_dual *= shrinkage(v_dual, alpha[each] / thrift)
        vectors = target + v_dual

        pull = fft(data + data_dual, grid) * (transfer.conj() * fit)
        pull += fft(thrift * _differences_adjoint(vectors + v_dual), grid)
        spectrum = pull / (fit * power + thrift * roughness)
        x = torch.where(converged[each], x, ifft(spectrum, grid))
        if not check:
            continue
        norm = lambda t: torch.linalg.vector_norm(t, dim=axes)
        vnorm = lambda t: norm(torch.linalg.vector_norm(t, dim=0))
        f, t = fit.flatten(2)[..., 0], thrift.flatten(2)[..., 0]
        r1 = norm(blurred - data) / contrast
        s1 = norm(data - before[0]) / contrast
        d1 = norm(data_dual) / contrast
        vn = torch.maximum(vnorm(vectors), vnorm(slopes)).clamp_min(tiny)
        r2 = vnorm(slopes - vectors) / vn
        s2 = vnorm(vectors - before[1]) / vn
        d2 = vnorm(v_dual) / vn
        if trace is not None:
            trace(n_iter, x[inside] + level, (r1, s1, d1, r2, s2, d2))
        done = torch.stack([r1, s1, r2, s2]).amax(0) <= tol
        converged = converged | done
    return SolverResult(x[inside] + level, n_iter, converged)


def _differences(x, ndim):
    return torch.stack([x.roll(-1, axis) - x for axis in range(2, 2 + ndim)])


def _differences_adjoint(p):
    parts = (v.roll(1, axis) - v for axis, v in enumerate(p, start=2))
    return sum(parts)


def _roughness(grid, like):
    """Spectrum of the squared periodic differences."""
    total = torch.zeros((), device=like.device, dtype=like.dtype)
    for axis, n in zip(spatial_axes(len(grid)), grid, strict=True):
        frequencies = torch.fft.rfftfreq if axis == -1 else torch.fft.fftfreq
        wave = frequencies(n, dtype=torch.float64, device=like.device)
        total = total + along(4 * torch.sin(torch.pi * wave) ** 2, axis).to(like)
    return total


def _penalised(scene, grid, margins, like):
    """Which differences lie inside the scene: (ndim, 1, 1, *grid)."""
    ndim = len(grid)
    masks = []
    for component in range(ndim):
        mask = torch.ones((1,) * ndim, device=like.device, dtype=like.dtype)
        for a in range(ndim):
            n, p, before = scene[a], grid[a], margins[a][0]
            place = (torch.arange(p, device=like.device) + before) % p
            mask = mask * along((place + (a == component) < n).to(like), a - ndim)
        masks.append(mask.expand(grid))
    return torch.stack(masks)[:, None, None]
