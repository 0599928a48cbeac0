"""Strength of a penalty by generalised cross-validation or unbiased risk."""

from collections.abc import Callable
from math import log

import torch
from torch import Tensor

State = tuple[Tensor, ...]

# Differences for the trace, against the noise: small enough for the slope where the
# data are, large enough for solvers that stop early.
NUDGE = 0.3

# Of more degrees of freedom than this share of the data cross-validation tells nothing:
# it divides the little that is left of the misfit by the little that is left of them.
MOST = 0.98

# So many steps more are made for images for which the largest strength was best.
MORE = 4


def cross_validate(
    predict: Callable[[Tensor, Tensor, State], tuple[Tensor, State]],
    y: Tensor,
    start: Tensor,
    *,
    level: Tensor,
    noise_std: Tensor | None = None,
    weight: Tensor | None = None,
    first: tuple[float, ...] = (1.0,),
    ratio: float = 2.5,
    rounds: int = 4,
) -> tuple[Tensor, Tensor, Tensor]:
    r"""Find the strength whose fit would predict left-out or fresh data best.

    With :math:`\hat y` fitted to `n` data and its degrees of freedom
    :math:`f = \sum_i \partial \hat y_i / \partial y_i`, the criterion is

    .. math:: \frac{\|y - \hat y\|^2 / n}{(1 - f / n)^2} \qquad \text{or} \qquad
        \|y - \hat y\|^2 / n + 2 \sigma^2 f / n,

    generalised cross-validation [1]_ or, where the noise level is given, Stein's
    unbiased risk estimate. The degrees of freedom are measured by nudging the data
    along random signs [2]_, the same for all images of a size. The search begins at the
    best of some multiples of `start` and goes by ever smaller steps, each image for
    itself.

    Parameters
    ----------
    predict : callable
        Maps data, strengths of shape (batch,) and a state to fitted data and the state
        of their solution. A state is a tuple of tensors of shape (batch, ...) from
        which the fit to the same data at another strength may go on; it may be empty,
        and is at first. Images must be treated independently.
    y : Tensor of shape (batch, channels, *spatial)
        Data.
    start : Tensor of shape (batch,)
        First guesses, positive.
    level : Tensor of shape (batch,)
        Scale of the nudges: a rough noise level, in the units of `y`.
    noise_std : Tensor of shape (batch,) or None, default=None
        Standard deviation of the noise; NaN, or None for all images, where it is not
        known.
    weight : Tensor of the shape of y, or None, default=None
        Weights of the pixels; those of weight 0 do not count.
    first : tuple of float, default=(1.0,)
        Multiples of `start`: several, far apart, where that is hardly known.
    ratio : float, default=2.5
        Between the next neighbouring strengths.
    rounds : int, default=4
        Steps; each looks at two more strengths. As long as the largest one is best for
        some image, there are up to four more.

    Returns
    -------
    value : Tensor of shape (batch,)
        The strength chosen, between those looked at.
    values : Tensor of shape (batch, n_values)
        Strengths looked at, ascending; `n_values` is ``2 * rounds + len(first)``, or
        more where steps were added.
    criterion : Tensor of shape (batch, n_values)
        The criterion there; infinite where another image of the batch is looked at.

    References
    ----------
    .. [1] G. H. Golub, M. Heath and G. Wahba, "Generalized cross-validation as a method
       for choosing a good ridge parameter", Technometrics 21(2), 1979.
       :doi:`10.1080/00401706.1979.10489751`
    .. [2] S. Ramani, T. Blu and M. Unser, "Monte-Carlo SURE: a black-box optimization
       of regularization parameters for general denoising algorithms", IEEE
       Transactions on Image Processing 17(9), 2008. :doi:`10.1109/TIP.2008.2001404`
    """
    generator = torch.Generator().manual_seed(0)
    signs = torch.randint(2, y.shape[1:], generator=generator).to(y) * 2 - 1
    known = torch.ones_like(y) if weight is None else weight
    signs = signs * (known > 0)
    tiny = torch.finfo(y.dtype).tiny
    nudge = (NUDGE * level).clamp_min(tiny)
    nudged = y + nudge.reshape(-1, *(1,) * (y.ndim - 1)) * signs
    count = (known > 0).flatten(1).sum(1)
    start = start.clamp_min(tiny)

    def look(exponents, state):
        """Criterion at each of several exponents, (n, batch), and the states there."""
        n, batch = exponents.shape
        strengths = (start * exponents.exp()).flatten().repeat(2)
        data = torch.cat([y] * n + [nudged] * n)
        state = tuple(part.repeat_interleave(n, 1).flatten(0, 2) for part in state)
        fit, state = predict(data, strengths, state)
        fit, moved = fit.unflatten(0, (2, n, batch))
        state = tuple(part.unflatten(0, (2, n, batch)) for part in state)
        freedom = (signs * (moved - fit)).flatten(2).sum(2) / nudge / count
        misfit = (known * (y - fit).square()).flatten(2).sum(2)
        misfit = misfit / known.flatten(1).sum(1)
        left_out = misfit / (1 - freedom).square()
        left_out = left_out.where(freedom < MOST, torch.inf)
        if noise_std is None:
            return left_out, state
        risk = misfit + 2 * noise_std.square() * freedom
        return torch.where(noise_std.isnan(), left_out, risk), state

    image = torch.arange(len(y), device=y.device)
    far = torch.tensor(first).log().to(start)[:, None].expand(-1, len(y))
    values, states = look(far, ())
    seen, found = [far], [values]
    lowest, side = values.min(0)
    best, step = far[side, image], torch.full_like(start, log(ratio))
    state = [part[:, side, image][:, None] for part in states]
    for k in range(rounds + MORE):
        sides = torch.stack([best - step, best + step])
        if k >= rounds:  # where the largest strength was best so far
            going = best == torch.cat(seen).amax(0)
            if not going.any():
                break
        values, states = look(sides, state)
        if k >= rounds:
            values = values.where(going, torch.inf)
        seen.append(sides)
        found.append(values)
        low, side = values.min(0)
        better = low < lowest
        moved = sides.gather(0, side[None])[0]
        best, lowest = torch.where(better, moved, best), torch.minimum(low, lowest)
        step = torch.where(better, step, step / 2)
        # The next strengths start from the solution at the best one.
        kept = []
        for old, new in zip(state, states, strict=True):
            mine = better.reshape(-1, *(1,) * (old.ndim - 3))
            kept.append(torch.where(mine, new[:, side, image], old[:, 0])[:, None])
        state = tuple(kept)
    seen, order = torch.cat(seen).T.sort(dim=1, stable=True)
    found = torch.cat(found).T.gather(1, order)
    value = start * _lowest(seen, found).exp()
    return value, start[:, None] * seen.exp(), found


def _lowest(x, y):
    """Lowest point of the parabola through the lowest of several points."""
    at = y.argmin(1, keepdim=True).clamp(1, y.shape[1] - 2)
    (a, b, c), (p, q, r) = (
        [v.gather(1, at + i)[:, 0] for i in (-1, 0, 1)] for v in (x, y)
    )
    left, right = (b - a) * (q - r), (b - c) * (q - p)
    turn = left - right
    bottom = b - 0.5 * ((b - a) * left - (b - c) * right) / turn
    inside = (turn != 0) & (q <= p) & (q <= r) & bottom.isfinite()
    lowest = x.gather(1, y.argmin(1, keepdim=True))[:, 0]
    return torch.where(inside, bottom.clamp(a, c), lowest)
