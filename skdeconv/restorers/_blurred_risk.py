"""Strengths by the expected error of blurred answers."""

from collections.abc import Callable

import torch
from torch import Tensor

from skdeconv.estimation import cross_validate
from skdeconv.operators import Blur
from skdeconv.operators._scene import crop, mirrored_outside
from skdeconv.restorers._strength import for_copies


def least_blurred_risk(
    restore: Callable[[Tensor, Tensor, Tensor | None], Tensor],
    x: Tensor,
    blur: Blur,
    guess: Tensor,
    level: Tensor,
    weight: Tensor | None,
    *,
    ratio: float,
    rounds: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Find strengths near a guess whose blurred answers have the least expected error.

    Errors count at :func:`counted_pixels`.

    Parameters
    ----------
    restore : callable
        Gives images for data, strengths of shape (batch,) and weights or None.
    x : Tensor of shape (batch, channels, *spatial)
        Blurred, noisy images.
    blur : Blur
        What blurred them.
    guess, level : Tensor of shape (batch,)
        First guesses, and noise levels.
    weight : Tensor of the shape of x, or None
        Weights of the pixels.
    ratio, rounds
        As for :func:`skdeconv.estimation.cross_validate`.

    Returns
    -------
    value, values, criterion : Tensor
        As from :func:`skdeconv.estimation.cross_validate`.
    """
    again = mirrored_outside(blur)

    def predict(y, strength, _):
        return again(restore(y, strength, for_copies(weight, y))), ()

    return cross_validate(
        predict,
        x,
        guess,
        level=torch.maximum(level, x.flatten(1).std(1, correction=0) / 1000),
        noise_std=level,
        weight=counted_pixels(x, blur, weight),
        ratio=ratio,
        rounds=rounds,
    )


def counted_pixels(x: Tensor, blur: Blur, weight: Tensor | None) -> Tensor:
    """Weights of the pixels whose errors tell which strength is best.

    Parameters
    ----------
    x : Tensor of shape (batch, channels, *spatial)
        Blurred images.
    blur : Blur
        What blurred them.
    weight : Tensor of the shape of x, or None
        Weights of the pixels.

    Returns
    -------
    counted : Tensor of the shape of x
        Those weights where the blur sees nothing beyond the frame, if that is a fifth
        of the image at least and something is known there.
    """
    known = torch.ones_like(x) if weight is None else weight
    inside = torch.zeros_like(x)
    crop(inside, blur).fill_(1)
    if inside.mean() <= 0.2:
        return known
    some = (inside * known).flatten(1).any(1).reshape(-1, *(1,) * (x.ndim - 1))
    return torch.where(some, inside * known, known)
