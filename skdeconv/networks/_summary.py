"""What a network costs: parameters, multiplications, pixels that it looks at."""

import copy
from dataclasses import dataclass
from math import prod

import torch
from tabulate import tabulate
from torch import nn

from skdeconv.networks._layers import constructor_arguments

# About as many pixels for every number of axes.
SHAPES = {1: (4096,), 2: (64, 64), 3: (16, 16, 16)}
# Receptive fields are looked for in a line of so many pixels ...
LINE = 512
# ... at so many pixels next to each other, since layers with strides look differently.
PHASES = 8


@dataclass(frozen=True)
class NetworkSummary:
    """Parameters, multiply-adds and receptive field of a network.

    Parameters
    ----------
    parameters : int
        Numbers that training adapts.
    multiply_adds : float
        Multiplications per input pixel in convolutions, transposed convolutions and
        linear layers, each with its addition. What padding inside adds is counted, so
        that it depends on the shape of the image where there is any.
    receptive_field : int or None
        Length of the region that an output pixel depends on, in input pixels; ``None``
        where it is more than 512, such as the whole image.
    layers : list of tuple
        ``(name, kind, output shape, parameters, multiply-adds per input pixel)`` of
        every layer with parameters, in the order in which they are run.

    See Also
    --------
    network_summary : Makes it.
    """

    parameters: int
    multiply_adds: float
    receptive_field: int | None
    layers: list[tuple[str, str, tuple[int, ...], int, float]]

    def __str__(self):
        seen = f"more than {LINE}" if not self.receptive_field else self.receptive_field
        rows = [
            (name, kind, " x ".join(map(str, shape)), f"{n:,}", f"{cost:,.0f}")
            for name, kind, shape, n, cost in self.layers
        ]
        rows.append(("", "", "", f"{self.parameters:,}", f"{self.multiply_adds:,.0f}"))
        headers = ("layer", "kind", "output", "parameters", "multiply-adds / pixel")
        table = tabulate(rows, headers, disable_numparse=True, colalign=_ALIGNED)
        return f"{table}\n\nreceptive field: {seen} pixels"


_ALIGNED = ("left", "left", "right", "right", "right")


def network_summary(
    network: nn.Module | type[nn.Module],
    in_channels: int = 1,
    ndim: int = 2,
    shape: tuple[int, ...] | None = None,
) -> NetworkSummary:
    """Count parameters and multiply-adds of a network, and find its receptive field.

    Parameters
    ----------
    network : nn.Module or class of nn.Module
        A network, or a class that is built with those of the arguments ``in_channels``,
        ``out_channels`` (as many) and ``ndim`` that its constructor takes.
    in_channels : int, default=1
        Channels of the images.
    ndim : {1, 2, 3}, default=2
        Number of spatial axes.
    shape : tuple of int or None, default=None
        Spatial shape of the image that is run through; ``None`` takes 4096 pixels, as
        many along every axis.

    Returns
    -------
    summary : NetworkSummary
        With ``parameters``, ``multiply_adds`` per input pixel, ``receptive_field`` and
        ``layers``; as a string, a table.

    Raises
    ------
    ValueError
        If `ndim` is not 1, 2 or 3, or `shape` does not have as many axes.

    Notes
    -----
    A convolution multiplies every weight once per output pixel, a transposed one once
    per *input* pixel. What is called as a function is not seen, such as the products of
    torch's attention.

    The receptive field is where the gradient of an output pixel is not zero, in a copy
    of the network with positive weights, along the first axis of a line of 512 pixels;
    ``None`` too where the network refuses such a line.

    Examples
    --------
    >>> from skdeconv.networks import DnCNN, network_summary
    >>> summary = network_summary(DnCNN)
    >>> summary.parameters, summary.receptive_field
    (556097, 35)
    """
    if ndim not in SHAPES:
        raise ValueError(f"ndim must be 1, 2 or 3, got {ndim!r}.")
    shape = SHAPES[ndim] if shape is None else tuple(shape)
    if len(shape) != ndim:
        raise ValueError(f"shape must have ndim = {ndim} axes, got {shape}.")
    if isinstance(network, type):
        known = constructor_arguments(network)
        channels = {"in_channels": in_channels, "out_channels": in_channels}
        built_of = channels | {"ndim": ndim}
        network = network(**{k: v for k, v in built_of.items() if k in known})
    network = copy.deepcopy(network).float().cpu().eval()
    layers = _layers(network, torch.zeros(1, in_channels, *shape))
    return NetworkSummary(
        parameters=sum(p.numel() for p in network.parameters() if p.requires_grad),
        multiply_adds=sum(layer[-1] for layer in layers),
        receptive_field=_receptive_field(network.double(), in_channels, ndim),
        layers=layers,
    )


def _layers(network, x):
    """Run an image through, and list the layers that had a part in it."""
    rows, pixels = [], prod(x.shape[2:])

    def count(name, module, inputs, output):
        if isinstance(module, nn.Linear):
            uses = output[..., 0].numel()
        elif isinstance(module, nn.modules.conv._ConvNd):
            at = inputs[0] if module.transposed else output
            uses = prod(at.shape[2:])
        else:
            uses = 0
        cost = uses * module.weight.numel()
        own = sum(p.numel() for p in module.parameters() if p.requires_grad)
        kind = type(module).__name__
        rows.append((name, kind, tuple(output.shape[1:]), own, cost / pixels))

    hooks = [
        module.register_forward_hook(
            lambda module, inputs, output, name=name: count(
                name, module, inputs, output
            )
        )
        for name, module in network.named_modules()
        if isinstance(getattr(module, "weight", None), torch.Tensor)
    ]
    with torch.no_grad():
        _answer(network, x)
    for hook in hooks:
        hook.remove()
    return rows


def _answer(network, x):
    """Call a network as a restorer does: with noise levels, where it takes any."""
    takes_noise = getattr(network, "noise_map", False)
    return network(x, x.new_zeros(len(x))) if takes_noise else network(x)


def _receptive_field(network, in_channels, ndim):
    """Look where the gradients of some outputs are not zero; spoils the weights."""
    line = (LINE, *[1] * (ndim - 1))
    for parameter in network.parameters():
        # Nothing cancels, and no rectifier is closed.
        parameter.requires_grad_(False).abs_().add_(1e-3)
    x = torch.ones(1, in_channels, *line, dtype=torch.double, requires_grad=True)
    try:
        out = _answer(network, x)
    except RuntimeError:
        return None
    middle = out.shape[2] // 2
    longest = 0
    for i in range(middle, middle + PHASES):
        (slope,) = torch.autograd.grad(out[:, :, i].sum(), x, retain_graph=True)
        seen = slope.abs().amax(dim=(1, *range(3, 2 + ndim)))[0].nonzero()
        if not len(seen):
            continue
        first, last = int(seen[0]), int(seen[-1])
        if first == 0 or last == LINE - 1:
            return None
        longest = max(longest, last - first + 1)
    return longest or None
