"""When to stop the iterations of least squares."""

import torch
from torch import Tensor

from skdeconv.operators import LinearOperator
from skdeconv.solvers._least_squares import least_squares
from skdeconv.solvers._stopping import Stopped

# An image is finished when so many iterations did not lower its risk: a number, and a
# part of those that it took.
PATIENCE, PART = 5, 0.25

# Length of the change of the data by which the degrees of freedom are measured, against
# the noise.
NUDGE = 0.3


def least_squares_of_least_risk(
    y: Tensor,
    operator: LinearOperator,
    *,
    level: Tensor,
    noise_std: Tensor | None = None,
    weight: Tensor | None = None,
    max_iter: int = 100,
    **options,
) -> Stopped:
    r"""Least squares with as many iterations for each image as its noise allows.

    With the data :math:`\hat y = A x` of the image after some iterations, and their
    degrees of freedom :math:`f = \sum_i \partial \hat y_i / \partial y_i`, the number
    of iterations minimises

    .. math:: \|y - \hat y\|^2 / n + 2 \sigma^2 f / n \qquad \text{or} \qquad
        \frac{\|y - \hat y\|^2 / n}{(1 - f / n)^2},

    Stein's unbiased risk estimate or, where the noise level is not known, generalised
    cross-validation. The degrees of freedom are seen in a second run, on data moved a
    little along random signs [1]_.

    Parameters
    ----------
    y : Tensor of shape (batch, channels, *spatial)
        Data.
    operator : LinearOperator
        What made them.
    level : Tensor of shape (batch,)
        Scale of the move: a rough noise level, in the units of `y`.
    noise_std : Tensor of shape (batch,) or None, default=None
        Standard deviation of the noise, NaN where it is not known.
    weight : Tensor of the shape of y, or None, default=None
        Weights of the data; those of weight 0 do not count.
    max_iter : int, default=100
        Most iterations.
    **options
        Further options of :func:`least_squares`: `alpha`, `regularizer`, `method` and
        `nonnegative`.

    Returns
    -------
    result : Stopped
        Images in the operator's domain, their iterations and the criterion after each,
        NaN where an image had stopped.

    References
    ----------
    .. [1] S. Ramani, T. Blu, M. Unser, "Monte-Carlo SURE: a black-box optimization of
       regularization parameters for general denoising algorithms", IEEE Transactions on
       Image Processing 17(9), 2008. :doi:`10.1109/TIP.2008.2001404`
    """
    batch, each = len(y), (-1, *(1,) * (y.ndim - 1))
    known = torch.ones_like(y) if weight is None else weight
    generator = torch.Generator().manual_seed(0)
    signs = torch.randint(2, y.shape[1:], generator=generator).to(y) * 2 - 1
    signs = signs * (known > 0)
    nudge = (NUDGE * level).clamp_min(torch.finfo(y.dtype).tiny)
    total, count = (v.flatten(1).sum(1).clamp_min(1) for v in (known, known > 0))
    path, state = [], {}

    def risk(scenes):
        fit, moved = operator(scenes).split(batch)
        freedom = (signs * (moved - fit)).flatten(1).sum(1) / nudge / count
        misfit = (known * (y - fit).square()).flatten(1).sum(1) / total
        left_out = misfit / (1 - freedom).clamp_min(1e-3).square()
        if noise_std is None:
            return left_out
        told = misfit + 2 * noise_std.square() * freedom
        return torch.where(noise_std.isnan(), left_out, told)

    def look(scenes):
        value, scene = risk(scenes), scenes[:batch]
        if not path:
            state.update(x=scene, least=value, n=torch.ones_like(value).int())
            active = torch.ones_like(value, dtype=torch.bool)
        else:
            active = state["active"]
            better = active & (value < state["least"])
            state["x"] = torch.where(better.view(each), scene, state["x"])
            state["least"] = torch.where(better, value, state["least"])
            state["n"] = state["n"].where(~better, len(path) + 1)
        path.append(value.where(active, torch.nan))
        wait = (PART * state["n"]).clamp_min(PATIENCE)
        state["active"] = active & (len(path) - state["n"] < wait)
        return state["active"].repeat(2)

    data = torch.cat([y, y + nudge.view(each) * signs])
    both = None if weight is None else weight.repeat(2, *(1,) * (y.ndim - 1))
    x = least_squares(
        data, operator, weight=both, tol=0.0, max_iter=max_iter, look=look, **options
    ).x
    if not path:  # a constant image is right from the start
        ones = torch.ones(batch, dtype=torch.int, device=y.device)
        return Stopped(x[:batch], ones, y.new_zeros(batch, 1))
    return Stopped(state["x"], state["n"], torch.stack(path, 1))
