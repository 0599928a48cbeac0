"""Few cosine waves per patch that explain the data, whatever the operator."""

import torch
from torch import Tensor

from skdeconv.operators import LinearOperator
from skdeconv.operators._filling import fill_in
from skdeconv.operators._grids import bridge, frame
from skdeconv.solvers._conjugate_gradient import dot
from skdeconv.solvers._result import SolverResult
from skdeconv.solvers._sparse_deconvolution import (
    WINDOW,
    cosine_frame,
    cosine_frame_adjoint,
    patch_waves,
)

# Pixels between opposite ends of the scene, which periodic patches would tie.
GAP = 2 * WINDOW

# Share of the iterations in which the threshold falls from the largest coefficient to
# its own: large structures are found first, and small ones grow from them.
DESCENT = 0.8

# A pixel of which the data tell less than this part of what they tell of others is
# filled before the first step.
UNSEEN = 1e-3


def sparse_invert(
    y: Tensor,
    operator: LinearOperator,
    *,
    alpha: float | Tensor,
    weight: Tensor | None = None,
    max_iter: int = 100,
    tol: float = 2e-3,
    start: tuple[Tensor, ...] = (),
) -> SolverResult:
    r"""Undo any operator, for images whose patches take few cosine waves.

    Gradient steps of the misfit take turns with soft thresholding in the frame `W` of
    all patches,

    .. math:: x \leftarrow W^T \mathrm{soft}_{\alpha s} \big( W (x - s A^* w (A x - y))
        \big), \qquad s = \|A\|^{-2},

    accelerated [1]_, under a threshold that falls to its own by and by. As the frame is
    tight, the thresholding is the proximal map of a convex function, that of the
    balanced approach [2]_; patch means are free. Missing pixels are filled, coarse ones
    refined.

    Parameters
    ----------
    y : Tensor of shape (batch, channels, *spatial)
        Data.
    operator : LinearOperator
        What made them.
    alpha : float or Tensor broadcastable to (batch, channels)
        Weight of the penalty against half the squared misfit, in the units of `y`;
        larger is smoother.
    weight : Tensor of the shape of y, or None, default=None
        Weights of the data in [0, 1]; those of weight 0 have no influence.
    max_iter : int, default=100
        Most iterations.
    tol : float, default=2e-3
        An image is done when a step changes it by less than `tol` times the contrast of
        the data.
    start : tuple of Tensor, default=()
        State of the answer to the same data at another `alpha`.

    Returns
    -------
    result : SolverResult
        Images in the operator's domain.

    Notes
    -----
    Undecimated wavelets in place of the cosine waves of 4 pixels filled every other
    pixel of photographs 2 dB worse.

    References
    ----------
    .. [1] A. Beck and M. Teboulle, "A fast iterative shrinkage-thresholding algorithm
       for linear inverse problems", SIAM Journal on Imaging Sciences 2(1), 2009.
       :doi:`10.1137/080716542`
    .. [2] J.-F. Cai, R. H. Chan and Z. Shen, "A framelet-based image inpainting
       algorithm", Applied and Computational Harmonic Analysis 24(2), 2008.
       :doi:`10.1016/j.acha.2007.10.002`
    """
    ndim, tiny = operator.ndim, torch.finfo(y.dtype).tiny
    shape = operator.input_shape(tuple(y.shape[2:]))
    each, inside = (..., *(None,) * ndim), frame(shape)
    grid = tuple(n + GAP if n > 1 else 1 for n in shape)
    known = torch.ones_like(y) if weight is None else weight
    step = 1 / operator.norm(shape) ** 2
    alpha = torch.as_tensor(alpha, dtype=y.dtype, device=y.device).expand(y.shape[:2])
    waves = patch_waves(WINDOW, ndim).to(y)
    penalised = (torch.arange(WINDOW**ndim, device=y.device) > 0)[each]

    # Less the flat image that fits best: an answer for constants, and a scale.
    flat = operator(torch.ones(1, 1, *shape, dtype=y.dtype, device=y.device))
    level = dot(known * y, flat.expand_as(y)) / dot(known * flat, flat).clamp_min(tiny)
    y = torch.where(known > 0, y - level * flat, 0)
    contrast = dot(known * y, y).sqrt().view(y.shape[:2])

    share = operator.adjoint(known * flat)
    seen = share > UNSEEN * share.amax(tuple(range(2, y.ndim)), keepdim=True)
    x = operator.adjoint(known * y) / share.where(seen, 1.0)
    x = bridge(fill_in(x, seen.expand_as(x)), grid)
    top = cosine_frame(x, waves)[:, :, 1:].abs().flatten(2).amax(2)
    threshold = torch.maximum(alpha, top / step)
    ratio = (alpha / threshold.clamp_min(tiny)).clamp_min(1e-6)
    decay = ratio ** (1 / max(1, DESCENT * max_iter))
    if start:
        (x,), threshold = start, alpha

    point, momentum, n_iter = x, 1.0, 0
    converged = contrast == 0
    while n_iter < max_iter and not converged.all():
        n_iter += 1
        new = point.clone()
        misfit = known * (operator(point[inside]) - y)
        new[inside] -= step * operator.adjoint(misfit)
        coefficients = cosine_frame(new, waves)
        bound = (step * threshold)[..., None][each] * penalised
        coefficients -= coefficients.clamp(-bound, bound)
        new = cosine_frame_adjoint(coefficients, waves)
        new = torch.where(converged[each], x, new)
        following = (1 + (1 + 4 * momentum**2) ** 0.5) / 2
        point = new + (momentum - 1) / following * (new - x)
        change = (new - x)[inside].flatten(2).norm(dim=2)
        x, momentum = new, following
        settled = (threshold <= alpha) & (change <= tol * contrast)
        converged = converged | settled
        threshold = torch.maximum(alpha, decay * threshold)
    return SolverResult(x[inside] + level, n_iter, converged, (x,))
