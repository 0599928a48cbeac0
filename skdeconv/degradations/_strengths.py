"""Strengths of degradations: a number, or a range to draw from for every image."""

from numbers import Real

import torch
from torch import Generator, Tensor

Strength = float | tuple[float, float]


def check_strength(name: str, value, *, positive: bool = False) -> Strength:
    """Refuse what is neither a finite number from 0 up nor a range of such.

    Parameters
    ----------
    name : str
        Name of the parameter, for the message.
    value : float or (float, float)
        Strength, or the lowest and the highest.
    positive : bool, default=False
        Whether 0 is refused too.

    Returns
    -------
    strength : float or (float, float)
        The value, in floats.
    """
    kind = "positive" if positive else "non-negative"
    ends = tuple(value) if isinstance(value, tuple | list) else (value, value)
    numbers = len(ends) == 2 and all(isinstance(end, Real) for end in ends)
    if not numbers or not 0 <= ends[0] <= ends[1] < float("inf"):
        fits = False
    else:
        fits = ends[0] > 0 or not positive
    if not fits:
        raise ValueError(
            f"{name} must be a {kind} number or a range (low, high) of such, got "
            f"{value!r}."
        )
    low, high = map(float, ends)
    return (low, high) if isinstance(value, tuple | list) else low


def draw_strength(
    strength: Strength, x: Tensor, generator: Generator | None = None
) -> float | Tensor:
    """Give the number, or one for each image of x, uniform over the range."""
    if not isinstance(strength, tuple):
        return strength
    low, high = strength
    dice = torch.rand(len(x), device=x.device, generator=generator, dtype=x.dtype)
    return dice.mul_(high - low).add_(low).reshape(-1, *[1] * (x.ndim - 1))


def show_strength(strength: Strength) -> str:
    """Print a strength in short."""
    if isinstance(strength, tuple):
        return f"({strength[0]:.4g}, {strength[1]:.4g})"
    return f"{strength:.4g}"
