"""Turns of a data step and a denoiser."""

from collections.abc import Callable

import torch
from torch import Tensor

from skdeconv.operators import Blur, Identity, LinearOperator
from skdeconv.operators._filling import fill_in
from skdeconv.operators._fourier import transfer_function
from skdeconv.operators._pointwise import Scale
from skdeconv.operators._scene import masked_last
from skdeconv.solvers._data_steps import data_step, unmask
from skdeconv.solvers._result import SolverResult

# Weight of the denoised image against the data, for equal noise levels; the same behind
# a blur that reverses no wave, whose transfer function is nowhere less than the third.
COUPLING, LOOSE, REVERSED = 0.23, 0.16, -1e-3

# Level that the denoiser is told first, and the least noise that is believed, as parts
# of the range, or of what is used of it.
FIRST, LEAST = 49 / 255, 2e-3

# The first level is of the range, but of at most so many times the span of the data.
SPANS = 8.0

# A denoiser that is told a noise level should not change an image by more than this
# many times of it.
BOUND = 4.0
# At the end it changes an image by 0.2 to 0.8 of its level, where data, operator and
# noise agree, and by 2 to 8 where something is amplified with every turn that they do
# not explain. A noise level that is too low by a fifth is no reason yet.
SETTLED = 1.0
# Nor does an image reach below its data by more than so many times their span: above
# it there may be stars, below it is what rings.
DEEPEST = 4.0

# Pixels that no data pull back follow the denoiser this much farther: what is known
# spreads into holes in half the turns.
RELAXATION = 1.9

# A pixel of which the data tell less than this part of what they tell of others is
# filled before the first step. It is more where negative lobes of a kernel beside
# missing pixels cancel what others tell: nothing may be divided by that.
UNSEEN, CANCELLED = 1e-3, 0.1

# Operators of a larger gain are scaled.
AMPLIFIES = 1.05


def plug_and_play(
    y: Tensor,
    operator: LinearOperator,
    denoise: Callable[[Tensor, Tensor, int], Tensor],
    *,
    noise_std: Tensor,
    levels: Tensor,
    weight: Tensor | None = None,
    max_iter: int = 10,
) -> SolverResult:
    r"""Invert an operator with a denoiser as the prior, by half-quadratic splitting.

    .. math:: x_k = \arg\min_x \; \|w^{1/2} (A x - y)\|^2 + \mu_k \|x - z_{k-1}\|^2,
        \qquad z_k = D(x_k, \sigma_k),
        \qquad \mu_k = \lambda \sigma^2 / \sigma_k^2

    for falling levels :math:`\sigma_k`, with :math:`\lambda = 0.23` [1]_, or 0.16
    behind a blur that reverses no wave. Pixels of which the data tell nothing go on 1.9
    times as far as the denoiser says, but at the end.

    Parameters
    ----------
    y : Tensor of shape (batch, channels, *spatial)
        Data.
    operator : LinearOperator
        What made them.
    denoise : callable
        ``denoise(x, level, k)`` takes scenes in the operator's domain, noise levels of
        shape (batch,) and the number of the turn from 0 on.
    noise_std : Tensor of shape (batch,)
        Standard deviation of the noise, above 0.
    levels : Tensor of shape (batch, n_turns)
        Levels :math:`\sigma_k` that the denoiser is told, above 0.
    weight : Tensor of the shape of y, or None, default=None
        Weights of the data in [0, 1]; those of weight 0 have no influence.
    max_iter : int, default=10
        Iterations of a data step that has no closed form.

    Returns
    -------
    result : SolverResult
        Images in the operator's domain. An image converged if the last change by the
        denoiser was less than its level, and the image does not reach below the data by
        more than four times their span; else operator or noise level do not fit the
        data. A change of more than four times the level is cut to that, and an answer
        that is not finite left out; neither converges.

    References
    ----------
    .. [1] K. Zhang et al., "Plug-and-play image restoration with deep denoiser prior",
       IEEE TPAMI 44(10), 2022. :doi:`10.1109/TPAMI.2021.3088914`
    """
    each = (..., *(None,) * (y.ndim - 1))
    step = data_step(y, operator, weight, max_iter=max_iter)
    z, seen = back_project(y, operator, weight)
    stride = torch.where(seen, 1.0, RELAXATION)
    low, high = z.flatten(1).aminmax(dim=1)
    sound = torch.ones(len(y), dtype=torch.bool, device=y.device)
    weakest = coupling_of(operator)
    for turn, level in enumerate(levels.unbind(1)):
        coupling = weakest * (noise_std / level).square()
        x = step(z, coupling[each])
        denoised, size = _bounded(x, denoise(x, level, turn), BOUND * level)
        sound = sound & (size <= BOUND * level)
        z = x + stride * (denoised - x)
    sound = sound & (size <= SETTLED * level)
    depth = low - denoised.flatten(1).amin(1)
    sound = sound & (depth <= DEEPEST * (high - low) + level)
    converged = sound[:, None].expand(y.shape[:2])
    return SolverResult(denoised, levels.shape[1], converged)


def coupling_of(operator: LinearOperator) -> float:
    """Weight of the denoised image against the data, for equal noise levels.

    Beside the waves that a disc or a motion takes away, noise is amplified which looks
    like structure; Gaussians and Airy discs have none such, and data may weigh more.
    """
    operator, _ = masked_last(operator)
    if not isinstance(operator, Blur) or operator.psf.size == 1:
        return COUPLING
    grid = [2 * k for k in operator.psf.shape]
    transfer = transfer_function(operator.psf, grid, dtype=torch.float64)
    symmetric = bool(transfer.imag.abs().max() <= -REVERSED)
    return LOOSE if symmetric and transfer.real.min() >= REVERSED else COUPLING


def believed_noise(noise_std: Tensor, y: Tensor, data_range: float = 1.0) -> Tensor:
    """Noise levels, but not less than data are followed to.

    Parameters
    ----------
    noise_std : Tensor of shape (batch,)
        Level of the data.
    y : Tensor of shape (batch, channels, *spatial)
        Data.
    data_range : float, default=1.0
        Span of the intensities.

    Returns
    -------
    noise_std : Tensor of shape (batch,)
        At least 1/500 of what the data span, or of the range where that is less.
    """
    return torch.maximum(noise_std, LEAST * _spanned(y, data_range))


def falling_levels(
    noise_std: Tensor, n_turns: int, y: Tensor, data_range: float = 1.0
) -> Tensor:
    """Noise levels of the turns, equally far apart in decibels.

    Parameters
    ----------
    noise_std : Tensor of shape (batch,)
        Level of the data, which is the last one.
    n_turns : int
        Number of turns.
    y : Tensor of shape (batch, channels, *spatial)
        Data.
    data_range : float, default=1.0
        Span of the intensities; the first level is 49/255 of it, or of eight times what
        the data span where that is less, or that of the data.

    Returns
    -------
    levels : Tensor of shape (batch, n_turns)
        In the units of `noise_std`.
    """
    first = torch.maximum(noise_std, FIRST * _spanned(y, data_range, SPANS))[:, None]
    place = 1 - torch.arange(n_turns - 1, -1, -1).to(noise_std) / max(1, n_turns - 1)
    return first * (noise_std[:, None] / first) ** place


def _spanned(y, data_range, times=1.0):
    """So many times what the data span; the range where that is less, or nothing."""
    low, high = y.flatten(1).aminmax(dim=1)
    span = times * (high - low)
    return span.where(span > 0, data_range).clamp_max(data_range)


def back_project(
    y: Tensor, operator: LinearOperator, weight: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Spread data over the scene that they tell of, and fill in what they do not.

    Parameters
    ----------
    y : Tensor of shape (batch, channels, *spatial)
        Data.
    operator : LinearOperator
        What made them.
    weight : Tensor of the shape of y, or None
        Weights of the data; those of weight 0 have no influence.

    Returns
    -------
    scene : Tensor of shape (batch, channels, *domain)
        The adjoint's answer, divided by its answer to what a flat scene looks like.
    seen : Tensor of bool, of that shape
        Where the data tell of the scene; it is filled elsewhere.
    """
    y, operator, weight = unmask(y, operator, weight)
    flat = _flat_data(operator, y)
    known = flat.new_ones(()) if weight is None else weight
    share = operator.adjoint(known * flat)
    axes = tuple(range(2, y.ndim))
    lowest, most = (f(axes, keepdim=True) for f in (share.amin, share.amax))
    lobes = lowest < -UNSEEN * most  # more than rounding
    seen = share > torch.where(lobes, CANCELLED, UNSEEN) * most
    x = operator.adjoint(known * y) / share.where(seen, 1.0)
    seen = seen.expand_as(x)
    return fill_in(x, seen), seen


def as_strong_as_scenes(
    operator: LinearOperator, y: Tensor, noise_std: Tensor
) -> tuple[LinearOperator, Tensor, Tensor]:
    """Operator, data and levels, divided by the gain of an operator that amplifies.

    Levels of the turns are told from what scenes are, not from what their data are.
    """
    if isinstance(operator, Blur | Identity):  # of gain 1
        return operator, y, noise_std
    twice = operator.adjoint(_flat_data(operator, y))
    gain = float(twice.median().clamp_min(0).sqrt())
    if gain <= AMPLIFIES:
        return operator, y, noise_std
    return Scale(1 / gain, operator.ndim) @ operator, y / gain, noise_std / gain


def _flat_data(operator, y):
    """What a scene of ones looks like, in data of the shape of y."""
    shape = operator.input_shape(tuple(y.shape[2:]))
    return operator(torch.ones(1, 1, *shape, dtype=y.dtype, device=y.device))


def _bounded(x, denoised, bound):
    """Denoised images no farther from x than a bound, and how far they were."""
    change = denoised - x
    size = change.square().flatten(1).mean(1).sqrt()
    finite = size.isfinite()
    factor = (bound / size.clamp_min(torch.finfo(x.dtype).tiny)).clamp_max(1)
    factor = torch.where(finite, factor, 0)[(..., *(None,) * (x.ndim - 1))]
    return x + factor * torch.where(factor > 0, change, 0), size
