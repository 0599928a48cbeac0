"""Signals, volumes and any channels as planes for networks that know only these."""

import math
from collections.abc import Callable, Iterator
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

# Length of the squares whose means tell the span of a noisy plane, the part of them
# that is left out at either end, and what it makes of noise of deviation 1.
SQUARE, TAIL, TAIL_OF_NOISE = 8, 0.01, 2.33


def as_planes(x: Tensor, in_colour: bool) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """View images as a stack of grey or colour planes.

    Volumes become slices along their first axis. A signal is folded into rows of which
    every other one is reversed, so that neighbours stay neighbours; white noise stays
    white.

    Parameters
    ----------
    x : Tensor of shape (batch, channels, *spatial)
        Signals, images or volumes.
    in_colour : bool
        Whether channels stay together; else each becomes a plane of its own.

    Returns
    -------
    planes : Tensor of shape (n, 3 or 1, height, width)
        The planes.
    back : callable
        What makes images of planes.
    """
    ndim = x.ndim - 2
    if ndim == 1:
        folded, unfold = _fold(x)
        planes, back = as_planes(folded, in_colour)
        return planes, lambda answer: unfold(back(answer))
    if ndim == 3:
        slices = x.movedim(2, 1)  # (batch, depth, channels, height, width)
        planes, back = as_planes(slices.flatten(0, 1), in_colour)
        shape = slices.shape
        return planes, lambda answer: back(answer).reshape(shape).movedim(1, 2)
    if in_colour:
        return x, lambda answer: answer
    shape = x.shape
    return x.reshape(-1, 1, *shape[2:]), lambda answer: answer.reshape(shape)


def into_range(planes: Tensor, level: Tensor | float, data_range: float) -> Tensor:
    """Offsets that bring planes to where a network knows them, into a range.

    Parameters
    ----------
    planes : Tensor of shape (n, channels, height, width)
        Noisy planes; those that lie within the range already get an offset of 0.
    level : Tensor of shape (n, 1, 1, 1) or float
        Their noise levels.
    data_range : float
        Span of the intensities.

    Returns
    -------
    offset : Tensor of shape (n, 1, 1, 1)
        What is to be added; planes of a wider span will start at 0.
    """
    height, width = (min(SQUARE, n) for n in planes.shape[2:])
    means = F.avg_pool2d(planes, (height, width)).flatten(1)
    ends = means.new_tensor([TAIL, 1 - TAIL])
    low, high = torch.quantile(means, ends, dim=1).reshape(2, -1, 1, 1, 1)
    spread = TAIL_OF_NOISE * level / math.sqrt(height * width)
    low, high = low + spread, high - spread
    # To the middle of the range, but the less the nearer they were.
    middle = (data_range - low - high) / 2
    up = torch.minimum(-2 * low, torch.maximum(middle, -low))
    down = torch.minimum(2 * (high - data_range), torch.minimum(-middle, low))
    return up.clamp_min(0) - down.clamp_min(0)


def _fold(x):
    n = x.shape[-1]
    width = math.ceil(math.sqrt(2 * n))
    height = -(-n // width)
    # The end is mirrored, as often as it takes.
    places = torch.arange(height * width, device=x.device) % max(1, 2 * n - 2)
    places = torch.where(places < n, places, 2 * n - 2 - places)
    rows = x[..., places].reshape(*x.shape[:-1], height, width)
    rows[..., 1::2, :] = rows[..., 1::2, :].flip(-1)

    def unfold(answer):
        answer = answer.clone()
        answer[..., 1::2, :] = answer[..., 1::2, :].flip(-1)
        return answer.flatten(-2)[..., :n]

    return rows, unfold


def in_tiles(
    function: Callable[..., Tensor],
    *images: Tensor,
    size: int | None,
    reach: int,
    multiple: int,
) -> Tensor:
    """Apply a function of planes piece by piece, as if it were applied to the whole.

    Parameters
    ----------
    function : callable
        Maps tensors ``(batch, channels, height, width)`` to one of that size.
    *images : Tensor of shape (batch, channels, height, width)
        Its arguments.
    size : int or None
        Length of the tiles along both axes; None takes the whole.
    reach : int
        Pixels around one that its answer depends on.
    multiple : int
        Tiles begin at multiples of it.

    Returns
    -------
    answer : Tensor of the shape of the first image
        The answer.
    """
    shape = images[0].shape[2:]
    if size is None or max(shape) <= size:
        return function(*images)
    step = max(multiple, size - size % multiple)
    frame = reach + -reach % multiple
    answer = torch.empty_like(images[0])
    for place in product(*(_spans(n, step, frame) for n in shape)):
        seen = tuple(slice(a, d) for a, _, _, d in place)
        kept = tuple(slice(b, c) for _, b, c, _ in place)
        inside = tuple(slice(b - a, c - a) for a, b, c, _ in place)
        part = function(*(image[(..., *seen)] for image in images))
        answer[(..., *kept)] = part[(..., *inside)]
    return answer


def _spans(n, step, frame) -> Iterator[tuple[int, int, int, int]]:
    """Yield, per tile, where what is seen and what is kept begin and end."""
    for start in range(0, n, step):
        stop = min(n, start + step)
        yield max(0, start - frame), start, stop, min(n, stop + frame)
