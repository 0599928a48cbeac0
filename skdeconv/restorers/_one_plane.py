"""Grey images that are stored with several equal channels."""

from collections.abc import Callable

import torch
from torch import Tensor


def once_where_grey(restore: Callable[..., Tensor], x: Tensor, *beside: Tensor | None):
    """Restore images whose channels are all equal as the one plane that they are.

    Their noise is one for all channels: what looks at channels together would take it
    for structure that they share.

    Parameters
    ----------
    restore : callable
        Restores images of any number of channels, given ``x, *beside``.
    x : Tensor of shape (batch, channels, *spatial)
        Images.
    *beside : Tensor of shape (batch, channels or 1, *spatial) or None
        What goes with them, such as weights of their pixels.

    Returns
    -------
    answer : Tensor of shape (batch, channels, *spatial)
        The answers.
    """
    given = [x, *beside]
    grey = torch.full((len(x),), x.shape[1] > 1, device=x.device)
    for tensor in given:
        if grey.any() and tensor is not None and tensor.shape[1] > 1:
            grey &= (tensor == tensor[:, :1]).flatten(1).all(1)
    if not grey.any():
        return restore(*given)
    planes = restore(*(v if v is None else v[grey, :1] for v in given))
    repeats = (-1, x.shape[1], *(-1,) * (planes.ndim - 2))
    planes = planes.expand(repeats)
    if grey.all():
        return planes.contiguous()
    others = restore(*(v if v is None else v[~grey] for v in given))
    answer = others.new_empty(len(x), *others.shape[1:])
    answer[grey], answer[~grey] = planes, others
    return answer
