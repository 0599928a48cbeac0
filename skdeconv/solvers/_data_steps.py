"""What data say about a scene that somebody else proposed."""

from collections.abc import Callable

import torch
from torch import Tensor

from skdeconv.operators import Blur, Downsample, Identity, LinearOperator
from skdeconv.operators._fourier import (
    fast_shape,
    fft,
    ifft,
    spatial_axes,
    transfer_function,
)
from skdeconv.operators._grids import distance, frame
from skdeconv.operators._scene import masked_last, scene_margins
from skdeconv.solvers._conjugate_gradient import conjugate_gradient, dot
from skdeconv.solvers._wiener import _reflect

# Where unseen pixels are free of those that are seen, as a part of the PSF, and what a
# wave weighs at the least; these decide the speed only.
TAPER, LEAST = 0.25, 1e-3

# Takes a scene and the coupling to it, and gives the scene that suits the data, too.
DataStep = Callable[[Tensor, Tensor], Tensor]


def data_step(
    y: Tensor,
    operator: LinearOperator,
    weight: Tensor | None = None,
    *,
    max_iter: int = 10,
) -> DataStep:
    r"""Give the map from a proposed scene to the one nearby that explains the data.

    .. math:: z, \mu \mapsto \arg\min_x \; \|w^{1/2} (A x - y)\|^2 + \mu \|x - z\|^2

    the proximal map of the misfit, by which denoisers and networks are put into
    inversions. It is differentiable in z, :math:`\mu` and y.

    Parameters
    ----------
    y : Tensor of shape (batch, channels, *spatial)
        Data.
    operator : LinearOperator
        What made them.
    weight : Tensor of the shape of y, or None, default=None
        Weights of the data in [0, 1]; those of weight 0 have no influence.
    max_iter : int, default=10
        Iterations of conjugate gradients where there is no closed form.

    Returns
    -------
    step : callable
        ``step(z, coupling)``, of a scene ``(batch, channels, *domain)`` in the
        operator's domain and a positive coupling, a float or a Tensor that broadcasts
        with it. Channels are independent.

    Notes
    -----
    Closed forms are those of what acts on single pixels; of a blur with boundary
    ``"periodic"``, in Fourier space; and of ``Downsample``, whose filters are separable
    and so have a small singular value decomposition along each axis, borders included.
    (With periodic borders this is the one of [1]_.)

    For a blur with boundary ``"extended"``, or with weights, only the blurred pixels
    that are not seen are unknown; conjugate gradients find them and the closed form
    does the rest. Every other operator is left to conjugate gradients. They start from
    `z`, which is where the step leads when iterations settle.

    References
    ----------
    .. [1] N. Zhao, Q. Wei, A. Basarab, N. Dobigeon, D. Kouame, J.-Y. Tourneret, "Fast
       single image super-resolution using a new analytical solution for l2-l2
       problems", IEEE Transactions on Image Processing 25(8), 2016.
       :doi:`10.1109/TIP.2016.2567075`
    """
    y, operator, weight = unmask(y, operator, weight)
    if isinstance(operator, Identity):
        return _pointwise(y, weight)
    if isinstance(operator, Blur) and operator.psf.size == 1:
        return _pointwise(y, weight)
    if isinstance(operator, Blur) and operator.boundary != "reflect":
        if operator.boundary == "periodic" and weight is None:
            return _periodic(y, operator)
        return _completed(y, operator, weight, max_iter)
    if isinstance(operator, Blur) and weight is None:
        return _mirrored(y, operator, max_iter)
    if isinstance(operator, Downsample) and weight is None:
        return _separable(y, operator)
    return _iterated(y, operator, weight, max_iter)


def unmask(
    y: Tensor, operator: LinearOperator, weight: Tensor | None = None
) -> tuple[Tensor, LinearOperator, Tensor | None]:
    """Take masks that were applied last off an operator, and into the weights.

    Parameters
    ----------
    y : Tensor of shape (batch, channels, *spatial)
        Data.
    operator : LinearOperator
        What made them.
    weight : Tensor of the shape of y, or None, default=None
        Weights of the data.

    Returns
    -------
    y : Tensor
        Data before the masks; 0 where nothing is known.
    operator : LinearOperator
        What made those.
    weight : Tensor or None
        What they weigh.
    """
    operator, masks = masked_last(operator)
    for mask in masks:
        seen = torch.from_numpy(mask.mask).to(y)
        y = y / seen.where(seen > 0, 1)
        weight = seen.square().expand_as(y) * (1 if weight is None else weight)
    if weight is not None:
        y = torch.where(weight > 0, y, 0)
    return y, operator, weight


def _pointwise(y, weight):
    def step(z, coupling):
        if weight is None:
            return (y + coupling * z) / (1 + coupling)
        return (weight * y + coupling * z) / (weight + coupling)

    return step


def _periodic(y, blur):
    grid = tuple(y.shape[2:])
    transfer = transfer_function(blur.psf, grid, device=y.device, dtype=y.dtype)
    power, data = transfer.abs().square(), fft(y, grid) * transfer.conj()

    def step(z, coupling):
        return ifft((data + coupling * fft(z, grid)) / (power + coupling), grid)

    return step


def _mirrored(y, blur, max_iter):
    def step(z, coupling):
        coupling = torch.as_tensor(coupling, dtype=z.dtype, device=z.device)
        options = {"tol": 0, "max_iter": max_iter}
        return z + _reflect(y - blur(z), blur, coupling, "identity", **options)[0]

    return step


def _separable(y, operator):
    """Solve along each axis in the basis where ``A A*`` is diagonal."""
    axes = tuple(range(2, y.ndim))
    one = Downsample(operator.factor, operator.kernel, ndim=1)
    back, gain = [], torch.ones((), dtype=y.dtype, device=y.device)
    for axis in axes:
        n = y.shape[axis] * operator.factor
        matrix = one(torch.eye(n, dtype=torch.float64)[None])[0].T
        values, vectors = torch.linalg.eigh(matrix @ matrix.T)
        values = values.clamp_min(0).to(y)
        gain = gain * values.reshape(-1, *(1,) * (y.ndim - 1 - axis))
        vectors, wide = vectors.to(y), (matrix.T @ vectors).to(y)
        y = _along(y, axis, vectors.T)
        back.append(wide)

    def step(z, coupling):
        seen = z
        for axis, wide in zip(axes, back, strict=True):
            seen = _along(seen, axis, wide.T)
        change = (y - seen) / (gain + coupling)
        for axis, wide in zip(axes, back, strict=True):
            change = _along(change, axis, wide)
        return z + change

    return step


def _along(x, axis, matrix):
    """Apply a matrix along one axis."""
    return (x.movedim(axis, -1) @ matrix.T).movedim(-1, axis)


def _completed(y, blur, weight, max_iter):
    """Solve on a periodic grid, of which only a part is seen."""
    shape = tuple(y.shape[2:])
    scene, margins = blur.input_shape(shape), scene_margins(blur)
    grid = fast_shape(scene) if blur.boundary == "extended" else shape
    axes, inside = spatial_axes(blur.ndim), frame(scene)
    seen = (
        ...,
        *(slice(a, a + n) for (a, _), n in zip(margins, shape, strict=True)),
    )
    transfer = transfer_function(blur.psf, grid, device=y.device, dtype=y.dtype)
    power = transfer.abs().square()
    # The force that draws a blurred pixel to its datum; none where it is the datum.
    share = torch.ones_like(y[:1, :1]) if weight is None else weight
    away = distance(shape, grid, y).roll([first for first, _ in margins], axes)
    away = away.expand(*share.shape[:2], *grid).clone()
    away[seen] = (share < 1).to(y)
    pull = torch.zeros_like(away)
    pull[seen] = torch.where(share < 1, share / (1 - share).clamp_min(1e-12), 0)
    free, taper = away > 0, (away / (TAPER * max(blur.psf.shape))).clamp_max(1)

    def step(z, coupling):
        spectrum = fft(z, grid)
        misfit = y - ifft(spectrum * transfer, grid)[seen]
        misfit = _on_grid(misfit * (share > 0), seen, grid)
        ratio = coupling / (power + coupling)

        def apply(c):
            return (ifft(fft(c, grid) * ratio, grid) + pull * c) * free

        # Roughly the inverse, smooth waves included, but beside the frame.
        rough = 1 / (ratio + LEAST)
        floor = rough.amin(axes, keepdim=True)
        calm = (1 + pull * floor) ** -0.5

        def precondition(c):
            c = c * calm
            smooth = ifft(fft(c * taper, grid) * (rough - floor), grid) * taper
            return (smooth + floor * c) * calm

        gradient = ifft(fft(misfit, grid) * ratio, grid)
        blurred, _, _ = conjugate_gradient(
            apply,
            precondition,
            misfit,
            -gradient * free,
            dot(misfit, gradient),
            tol=0,
            max_iter=max_iter,
        )
        change = fft(blurred, grid) * transfer.conj() / (power + coupling)
        return z + ifft(change, grid)[inside]

    return step


def _on_grid(x, place, grid):
    """Put a tensor into a grid of zeros."""
    whole = x.new_zeros((*x.shape[:2], *grid))
    whole[place] = x
    return whole


def _iterated(y, operator, weight, max_iter):
    share = 1 if weight is None else weight

    def step(z, coupling):
        def apply(x):
            return operator.adjoint(share * operator(x)) + coupling * x

        misfit = share * (y - operator(z))
        residual = operator.adjoint(misfit)
        change, _, _ = conjugate_gradient(
            apply,
            lambda x: x,
            torch.zeros_like(z),
            residual,
            dot(misfit, misfit),
            tol=0,
            max_iter=max_iter,
        )
        return z + change

    return step
