"""Layers picked by the number of spatial axes, and sizes that always fit."""

import inspect
from itertools import chain

import torch
from torch import Tensor, nn


class _ByAxes(dict):
    """Layers by their number of spatial axes."""

    def __missing__(self, ndim):
        raise ValueError(f"ndim must be 1, 2 or 3, got {ndim!r}.")


CONV = _ByAxes({1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d})
CONV_TRANSPOSE = _ByAxes(
    {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
)
BATCH_NORM = _ByAxes({1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d})
MAX_POOL = _ByAxes({1: nn.MaxPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d})


def constructor_arguments(network_class: type[nn.Module]) -> dict:
    """Arguments of a constructor by name, those that it passes to its bases included.

    Returns
    -------
    arguments : dict of str to inspect.Parameter
    """
    arguments = {}
    for kind in network_class.__mro__:
        if "__init__" in vars(kind):
            named = inspect.signature(kind.__init__).parameters
            arguments = dict(named) | arguments
            if all(p.kind is not p.VAR_KEYWORD for p in named.values()):
                break
    return arguments


def check_answer(x: Tensor, answer: Tensor, expected: tuple[int, ...]) -> None:
    """Refuse an answer to images that is not ``(..., *expected)``, channels first.

    Networks are tried on patches only before they train.
    """
    shape, found = tuple(x.shape[2:]), tuple(answer.shape[-len(expected) :])
    if found != expected:
        raise ValueError(
            f"module must map images of any size, but turns one of {shape} "
            f"pixels into {found[1:]} instead of {expected[1:]}, with {found[0]} "
            f"channels of {expected[0]}; let it pad its input and crop its output."
        )


def pad_to_multiple(x: Tensor, multiple: int, ndim: int) -> Tensor:
    """Repeat the last pixel of each spatial axis up to a multiple of `multiple`."""
    missing = [-n % multiple for n in x.shape[-ndim:]]
    if not any(missing):
        return x
    pads = chain.from_iterable((0, m) for m in reversed(missing))
    return nn.functional.pad(x, tuple(pads), mode="replicate")


def crop(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Keep the first pixels of each spatial axis."""
    return x[(..., *(slice(n) for n in shape))]


def pixel_unshuffle(x: Tensor, factor: int, ndim: int) -> Tensor:
    """Move blocks of `factor` pixels per axis into channels.

    ``(B, C, *(factor * n))`` becomes ``(B, C * factor**ndim, *n)``.
    """
    if ndim == 2:
        return nn.functional.pixel_unshuffle(x, factor)
    batch, channels, *spatial = x.shape
    blocks = chain.from_iterable((n // factor, factor) for n in spatial)
    x = x.reshape(batch, channels, *blocks)
    inner = [3 + 2 * i for i in range(ndim)]
    outer = [2 + 2 * i for i in range(ndim)]
    x = x.permute(0, 1, *inner, *outer)
    return x.reshape(batch, -1, *(n // factor for n in spatial))


def pixel_shuffle(x: Tensor, factor: int, ndim: int) -> Tensor:
    """Undo :func:`pixel_unshuffle`."""
    if ndim == 2:
        return nn.functional.pixel_shuffle(x, factor)
    batch, channels, *spatial = x.shape
    x = x.reshape(batch, channels // factor**ndim, *[factor] * ndim, *spatial)
    order = chain.from_iterable((2 + ndim + i, 2 + i) for i in range(ndim))
    x = x.permute(0, 1, *order)
    return x.reshape(batch, -1, *(n * factor for n in spatial))


def enlarge(x: Tensor, factor: int) -> Tensor:
    """Interpolate the spatial axes by cubics (Keys 1981) to `factor` times as many."""
    if factor == 1:
        return x
    if x.ndim == 4:
        return nn.functional.interpolate(x, scale_factor=factor, mode="bicubic")
    for axis in range(2, x.ndim):
        # torch knows cubics in the plane only; a plane one pixel wide is a line.
        lines = x.movedim(axis, -1)
        *others, n = lines.shape
        lines = nn.functional.interpolate(
            lines.reshape(1, -1, n, 1), (factor * n, 1), mode="bicubic"
        )
        x = lines.reshape(*others, factor * n).movedim(-1, axis)
    return x


def fold_noise_map(noise_std: Tensor, x: Tensor, factor: int, multiple: int) -> Tensor:
    """Bring noise levels to the grid of the features, as one channel.

    Parameters
    ----------
    noise_std : Tensor
        Levels that broadcast to ``(batch, 1, *spatial)``, or one for each image.
    x : Tensor of shape (batch, channels, *spatial)
        Images to which they belong, before padding.
    factor : int
        How many pixels a feature spans along every axis.
    multiple : int
        What the images are padded to a multiple of.

    Returns
    -------
    levels : Tensor of shape (batch, 1, *grid)
        Mean level over the pixels of each feature.
    """
    ndim = x.ndim - 2
    if noise_std.ndim <= 1:
        grid = [(n + -n % multiple) // factor for n in x.shape[2:]]
        levels = noise_std.reshape(-1, 1, *[1] * ndim)
        return levels.expand(x.shape[0], 1, *grid).to(x)
    levels = noise_std.expand(x.shape[0], 1, *x.shape[2:]).to(x)
    pool = {1: nn.AvgPool1d, 2: nn.AvgPool2d, 3: nn.AvgPool3d}[ndim]
    return pool(factor)(pad_to_multiple(levels, multiple, ndim))


class GridMean(nn.Module):
    """Means over a grid of cells, ``(B, C, *n)`` to ``(B, C, *grid)``.

    Those of ``nn.AdaptiveAvgPool``, which an ONNX model knows for one size only.

    Parameters
    ----------
    grid : int
        Cells along every axis; those of a shorter axis overlap.
    ndim : int
        Number of spatial axes.
    """

    def __init__(self, grid: int, ndim: int):
        super().__init__()
        self.grid, self.ndim = grid, ndim

    def forward(self, x: Tensor) -> Tensor:
        cells = torch.arange(self.grid, device=x.device)[:, None]
        for axis in range(-self.ndim, 0):
            n = x.shape[axis]
            places = torch.arange(n, device=x.device)
            start = cells * n // self.grid
            stop = ((cells + 1) * n + self.grid - 1) // self.grid
            inside = ((start <= places) & (places < stop)).to(x)
            weights = inside / inside.sum(1, keepdim=True)
            x = (x.movedim(axis, -1) @ weights.T).movedim(-1, axis)
        return x


def he_(module: nn.Module, gain: float = 1.0) -> nn.Module:
    """Draw a layer's weights for ReLU units (He et al. 2015), scaled by `gain`."""
    nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    with torch.no_grad():
        module.weight.mul_(gain)
    if module.bias is not None:
        nn.init.zeros_(module.bias)
    return module
