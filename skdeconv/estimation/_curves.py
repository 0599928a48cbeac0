"""Minima of sampled curves."""

import torch
from torch import Tensor


def lowest(values: Tensor, criterion: Tensor) -> Tensor:
    """Where each curve is lowest: the vertex of a parabola in the logarithm.

    Parameters
    ----------
    values : Tensor of shape (n_values,)
        Positive, ascending, by about equal factors.
    criterion : Tensor of shape (batch, n_values)
        A curve per row.

    Returns
    -------
    value : Tensor of shape (batch,)
        Within a step of the least sample.
    """
    best = criterion.argmin(1, keepdim=True)
    inner = best.clamp(1, max(1, len(values) - 2))
    if len(values) < 3:
        return values[best[:, 0]]
    left, middle, right = (criterion.gather(1, inner + d)[:, 0] for d in (-1, 0, 1))
    bend = left - 2 * middle + right
    offset = torch.where(bend > 0, (left - right) / (2 * bend), 0).clamp(-0.5, 0.5)
    offset = torch.where(best[:, 0] == inner[:, 0], offset, 0)
    logs = values.log()
    at = best[:, 0].clamp(1, len(values) - 2)
    stride = (logs[at + 1] - logs[at - 1]) / 2
    return (logs[best[:, 0]] + offset * stride).exp().to(values)
