r"""Richardson-Lucy deconvolution."""

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

# A scene pixel of which the frame sees less than this is left as it started: its
# multiplicative update would be the quotient of two rounding errors.
UNSEEN = 1e-3

# An extrapolated pixel keeps at least this part of its value. Zero would be final, as
# every later step multiplies.
KEPT = 0.1


def richardson_lucy(
    y: Tensor,
    blur: Blur,
    *,
    max_iter: int = 10,
    acceleration: bool = True,
    tol: float = 0.0,
) -> SolverResult:
    r"""Maximise the Poisson likelihood of images under a blur.

    .. math:: x \leftarrow \frac{x}{H^T 1} \, H^T \frac{y}{H x}

    from a constant, where :math:`H` includes the boundary of `blur`. With
    ``boundary="extended"`` the unknown is the larger scene that the frame sees [1]_,
    and the frame is returned. Each step keeps :math:`x` non-negative and makes its flux
    :math:`\langle H^T 1, x \rangle` that of the data.

    Parameters
    ----------
    y : Tensor of shape (batch, channels, *spatial)
        Blurred images; negative values count as 0.
    blur : Blur
        The blur to undo.
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

    References
    ----------
    .. [1] M. Bertero and P. Boccacci, "A simple method for the reduction of boundary
       effects in the Richardson-Lucy approach to image deconvolution", Astronomy &
       Astrophysics 437, 2005. https://doi.org/10.1051/0004-6361:20052717
    .. [2] D. S. C. Biggs and M. Andrews, "Acceleration of iterative image restoration
       algorithms", Applied Optics 36, 1997. https://doi.org/10.1364/AO.36.001766
    """
    correct, x = _correction(y, blur)
    active = torch.ones(x.shape[:2], dtype=torch.bool, device=x.device)
    active = active.reshape(*x.shape[:2], *(1,) * blur.ndim)
    point, change, n_iter = x, None, 0
    while n_iter < max_iter and active.any():
        n_iter += 1
        new = correct(point).mul_(point)
        if tol > 0:
            new = torch.where(active, new, x)
            active = active & (_norm(new - x) > tol * _norm(new))
        if not acceleration:
            x = point = new
        else:
            point, change = _extrapolate(x, new, point, change)
            x = new
    converged = ~active.reshape(x.shape[:2]) | (tol <= 0)
    return SolverResult(x[frame(tuple(y.shape[2:]))], n_iter, converged)


def _norm(x):
    return dot(x, x).sqrt()


def _extrapolate(x, new, point, previous):
    """Where the next step starts, and the change of this one; `x` is consumed."""
    if previous is None:
        change = new - point
        return new.clone(), change
    change = torch.sub(new, point, out=point)
    length = dot(previous, previous).clamp_min_(torch.finfo(x.dtype).tiny)
    factor = (dot(change, previous) / length).clamp_(0, 1)
    # KEPT * new + max(0, new + factor * (new - x) - KEPT * new), without a buffer
    x.mul_(-factor).addcmul_(new, factor + (1 - KEPT)).clamp_min_(0)
    return x.add_(new, alpha=KEPT), change


def _correction(y, blur):
    """The factor of a step as a function of the scene, and the scene to start from."""
    shape = tuple(y.shape[2:])
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

    def adjoint(spectrum):
        x = ifft(spectrum.mul_(transfer.conj()), grid)
        return fold(x, shape, blur.margins) if reflect else x

    flux = adjoint(fft(torch.ones_like(y[:1, :1]), grid))
    hidden = flux < UNSEEN
    gain = flux.clamp_min_(UNSEEN).reciprocal_()
    positive = y.clamp_min(0)
    peak = positive.amax(spatial_axes(blur.ndim), keepdim=True)
    limits = torch.finfo(y.dtype)
    floor = (limits.eps * peak).clamp_min_(limits.tiny)
    mean = positive.mean(spatial_axes(blur.ndim), keepdim=True)
    start = mean.expand(*y.shape[:2], *(grid if extended else shape)).clone()
    del positive

    def correct(x):
        if reflect:
            x = mirror(x, grid, blur.margins)
        ratio = ifft(fft(x, grid).mul_(transfer), grid)
        inside = ratio[seen]
        torch.div(y, inside.clamp_(min=floor), out=inside)
        inside.clamp_min_(0)
        for axis, n, p in zip(spatial_axes(len(grid)), shape, grid, strict=True):
            ratio.narrow(axis, n, p - n).zero_()
        spectrum = fft(ratio, grid)
        del ratio, inside  # or they would be held through the inverse transform
        return adjoint(spectrum).mul_(gain).masked_fill_(hidden, 1).clamp_min_(0)

    return correct, start
