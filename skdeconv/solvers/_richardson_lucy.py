r"""Richardson-Lucy deconvolution."""

from collections.abc import Callable, Iterator

import numpy as np
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
from skdeconv.operators._grids import fold, frame, mirror
from skdeconv.solvers._conjugate_gradient import dot
from skdeconv.solvers._result import SolverResult
from skdeconv.solvers._tv_step import tv_step

# A scene pixel of which the frame sees less than this is left as it started: its
# multiplicative update would be the quotient of two rounding errors.
UNSEEN = 1e-3

# An extrapolated pixel keeps at least this part of its value. Zero would be final, as
# every later step multiplies.
KEPT = 0.1

# Slices of an image that are multiplied one after the other.
PARTS = 16

# The last change only tells how far to go: in single precision, half of it is kept.
COARSE = {torch.float32: torch.bfloat16}


def richardson_lucy(
    y: Tensor,
    blur: Blur,
    *,
    weight: Tensor | None = None,
    background: float = 0.0,
    tv_weight: float = 0.0,
    max_iter: int = 10,
    acceleration: bool = True,
    tol: float = 0.0,
) -> SolverResult:
    r"""Maximise the Poisson likelihood of images under a blur.

    .. math:: x \leftarrow \frac{x}{H^T w} \, H^T \frac{w y}{H x + b}

    from a constant, where :math:`H` includes the boundary of `blur`, :math:`w` is the
    weight of a pixel and :math:`b` the background. With ``boundary="extended"`` the
    unknown is the larger scene that the frame sees [1]_, and the frame is returned.
    Each step keeps :math:`x` non-negative and, without background, makes its flux
    :math:`\langle H^T w, x \rangle` that of the data, :math:`\langle w, y \rangle`.

    Parameters
    ----------
    y : Tensor of shape (batch, channels, *spatial)
        Blurred images; negative values count as 0.
    blur : Blur
        The blur to undo.
    weight : Tensor of shape (batch, 1 or channels, *spatial) or None, default=None
        Factor of each pixel's term in the likelihood. Where it is 0, `y` is not looked
        at.
    background : float, default=0.0
        Light in the data, in their units, that did not come through the blur.
    tv_weight : float, default=0.0
        Weight of the total variation of `x`, which is added to the negative
        log-likelihood; without unit, larger is smoother.
    max_iter : int, default=10
        Number of steps, at least 1. More steps are sharper and noisier.
    acceleration : bool, default=True
        Whether each step starts from the current image extrapolated along its last
        change [2]_, as far as the last two steps agree; 25 steps then do what 100 do
        without.
    tol : float, default=0.0
        An image stops when a step changes it by no more than `tol` times its norm.
        0 runs all steps.

    Returns
    -------
    result : SolverResult
        Restored images, non-negative and of the shape of `y`.

    Notes
    -----
    A step costs four real FFTs of the scene. The extrapolation of [2]_ is bounded below
    by a part of the pixel instead of by zero, since no later step could leave zero; the
    factor is per image and channel. Light from pixels of which the frame sees less than
    0.1 % is not estimated, and the flux is kept up to it.

    With `tv_weight`, the penalty is that of [3]_, but not its step, whose denominator
    may vanish: likelihood and penalty are both bounded by sums over single pixels [4]_,
    and each pixel takes the positive root of a quadratic equation. Without
    acceleration, no step raises the objective, whatever the weight.

    References
    ----------
    .. [1] M. Bertero and P. Boccacci, "A simple method for the reduction of boundary
       effects in the Richardson-Lucy approach to image deconvolution", Astronomy &
       Astrophysics 437, 2005. https://doi.org/10.1051/0004-6361:20052717
    .. [2] D. S. C. Biggs and M. Andrews, "Acceleration of iterative image restoration
       algorithms", Applied Optics 36, 1997. https://doi.org/10.1364/AO.36.001766
    .. [3] N. Dey et al., "Richardson-Lucy algorithm with total variation regularization
       for 3D confocal microscope deconvolution", Microscopy Research and Technique 69,
       2006. https://doi.org/10.1002/jemt.20294
    .. [4] A. R. De Pierro, "A modified expectation maximization algorithm for penalized
       likelihood estimation in emission tomography", IEEE Transactions on Medical
       Imaging 14, 1995. https://doi.org/10.1109/42.370409
    """
    steps = scenes(
        y,
        blur,
        weight=weight,
        background=background,
        tv_weight=tv_weight,
        acceleration=acceleration,
    )
    active = torch.ones(y.shape[:2], dtype=torch.bool, device=y.device)
    active = active.reshape(*y.shape[:2], *(1,) * blur.ndim)
    x, n_iter = None, 0
    while n_iter < max_iter and active.any():
        n_iter += 1
        new = next(steps)
        if tol > 0:
            if x is not None:
                new = torch.where(active, new, x)
                active = active & (_norm(new - x) > tol * _norm(new))
            new = new.clone()  # the steps go on with their own
        x = new
    converged = ~active.reshape(y.shape[:2]) | (tol <= 0)
    return SolverResult(x[frame(tuple(y.shape[2:]))], n_iter, converged)


def scenes(
    y: Tensor,
    blur: Blur,
    *,
    weight: Tensor | None = None,
    background: float = 0.0,
    tv_weight: float = 0.0,
    acceleration: bool = True,
    look: Callable[[Tensor], None] | None = None,
) -> Iterator[Tensor]:
    """Yield the scene after each step of :func:`richardson_lucy`, without end.

    The scene, of which the data show the frame, is lent: it is overwritten in the next
    step. `look` is called in each step with ``H x + b`` for the scene that the step
    starts from, which it must not modify.
    """
    step, point = _step(y, blur, weight, background, tv_weight, look)
    x = change = None
    while True:
        new = step(point)
        yield new
        if not acceleration:
            point = new
        else:
            point, change = _extrapolate(point if x is None else x, new, point, change)
            x = new


def _norm(x):
    return dot(x, x).sqrt()


def _extrapolate(x, new, point, change):
    """Where the next step starts, and the change of this one.

    `x` and the change of the step before are consumed.
    """
    if change is None:
        return new.clone(), (new - point).to(COARSE.get(x.dtype, x.dtype))
    along, length = 0, torch.finfo(x.dtype).tiny
    # By parts, each of which is made precise for the moment.
    size = -(-x.shape[2] // PARTS)
    for before, start, end in zip(
        *(v.split(size, 2) for v in (change, point, new)), strict=True
    ):
        previous, now = before.to(x.dtype), end - start
        along = along + dot(now, previous)
        length = length + dot(previous, previous)
        before.copy_(now)
    factor = (along / length).clamp_(0, 1)
    # KEPT * new + max(0, new + factor * (new - x) - KEPT * new), without a buffer
    x.mul_(-factor).addcmul_(new, factor + (1 - KEPT)).clamp_min_(0)
    return x.add_(new, alpha=KEPT), change


def _step(y, blur, weight, background, tv_weight, look):
    """The step as a function of the scene, and the scene to start from."""
    shape, axes = tuple(y.shape[2:]), spatial_axes(blur.ndim)
    extended, reflect = blur.boundary == "extended", blur.boundary == "reflect"
    grid = (
        shape
        if blur.boundary == "periodic"
        else fast_shape(
            tuple(n + k - 1 for n, k in zip(shape, blur.psf.shape, strict=True))
        )
    )
    seen = frame(shape)
    transfer = transfer_function(blur.psf, grid, device=y.device, dtype=y.dtype)
    if _is_symmetric(blur.psf):
        transfer = transfer.real.unsqueeze(-1).clone()  # half the memory

    def adjoint(spectrum):
        # In place; a product with transfer.conj() takes several times as long.
        if transfer.is_complex():
            spectrum = spectrum.conj_physical_().mul_(transfer).conj_physical_()
        else:
            torch.view_as_real(spectrum).mul_(transfer)
        x = ifft(spectrum, grid, overwrite=True)
        return fold(x, shape, blur.margins) if reflect else x

    limits = torch.finfo(y.dtype)
    counts, total = y, y.new_tensor(float(y[0, 0].numel()))
    if weight is not None:
        # Whatever stands where nothing is known must not even reach a product.
        counts = torch.where(weight > 0, y, 0).mul_(weight)
        total = weight.sum(axes, keepdim=True).clamp_min(limits.tiny)
    peak = counts.amax(axes, keepdim=True)
    floor = (limits.eps * peak).clamp_min_(limits.tiny)
    mean = counts.clamp_min(0).sum(axes, keepdim=True) / total
    mean = (mean - background).clamp_min_(0) + limits.eps * mean
    start = mean.expand(*y.shape[:2], *(grid if extended else shape)).clone()

    flux, hidden = None, False
    if weight is not None or blur.boundary != "periodic":
        flux = torch.ones_like(y[:1, :1]) if weight is None else weight
        # Weights count among each other only.
        most = flux.amax((1, *axes), keepdim=True).clamp_min(limits.tiny)
        flux = adjoint(fft(flux, grid))
        if not tv_weight:
            flux = torch.where(flux < UNSEEN * most, 0, flux.reciprocal())
            hidden = bool((flux == 0).any())

    def step(x):
        scene = mirror(x, grid, blur.margins) if reflect else x
        spectrum = fft(scene, grid)
        if transfer.is_complex():
            spectrum.mul_(transfer)
        else:
            torch.view_as_real(spectrum).mul_(transfer)
        ratio = ifft(spectrum, grid, overwrite=True)
        del spectrum
        inside = ratio[seen]
        if background:
            inside.add_(background)
        if look is not None:
            look(inside)
        torch.div(counts, inside.clamp_(min=floor), out=inside)
        inside.clamp_min_(0)
        for axis, n, p in zip(axes, shape, grid, strict=True):
            ratio.narrow(axis, n, p - n).zero_()
        spectrum = fft(ratio, grid, overwrite=True)
        del ratio, inside, scene  # or they would be held through the inverse transform
        new = adjoint(spectrum).clamp_min_(0)
        if tv_weight:
            return tv_step(x, new.mul_(x), flux, tv_weight, mean)
        if flux is not None:
            new.mul_(flux)
        if hidden:
            new.masked_fill_(flux == 0, 1)
        return new.mul_(x)

    return step, start


def _is_symmetric(psf):
    """Whether a PSF is even about its centre, so that its transform is real."""
    return all(n % 2 for n in psf.shape) and np.array_equal(psf, np.flip(psf))
