"""Many predictions of one network: of turned images, and with features left out."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from itertools import permutations, product

from torch import Tensor, nn

from skdeconv.neural._net import bare


def turns(ndim: int) -> Iterator[tuple[Callable, Callable]]:
    """Yield the flips and exchanges of axes of a cube, each with what undoes it.

    Parameters
    ----------
    ndim : int
        Number of spatial axes; there are 2, 8 or 48 ways.

    Yields
    ------
    turn, turn_back : callable
        Functions of tensors ``(batch, channels, *spatial)``; others are left alone.
    """
    for order in permutations(range(2, 2 + ndim)):
        back = [2 + order.index(axis) for axis in range(2, 2 + ndim)]
        for flips in product((False, True), repeat=ndim):
            axes = [axis for axis, flip in enumerate(flips, 2) if flip]

            def turn(x: Tensor, order=order, axes=axes) -> Tensor:
                return x if x.ndim < 3 else x.permute(0, 1, *order).flip(axes)

            def turn_back(x: Tensor, back=back, axes=axes) -> Tensor:
                return x.flip(axes).permute(0, 1, *back)

            yield turn, turn_back


def mean_over_turns(
    function: Callable[..., Tensor], *images: Tensor, ndim: int
) -> Tensor:
    """Apply a function to images turned in every way, and average what it answers.

    Parameters
    ----------
    function : callable
        Maps tensors of the kind of `images` to one with as many axes.
    *images : Tensor of shape (batch, channels, *spatial)
        Its arguments; tensors without spatial axes are not turned.
    ndim : int
        Number of spatial axes.

    Returns
    -------
    mean : Tensor
        The mean, turned back.
    """
    total, n = 0, 0
    for turn, turn_back in turns(ndim):
        total, n = total + turn_back(function(*map(turn, images))), n + 1
    return total / n


def dropping_out(module: nn.Module) -> tuple[nn.Module, int]:
    """Give a copy that leaves features out, as in training, and how many layers do."""
    copy = deepcopy(bare(module))
    layers = [
        layer
        for layer in copy.modules()
        if isinstance(layer, nn.modules.dropout._DropoutNd) and layer.p > 0
    ]
    for layer in layers:
        layer.train()
    return copy, len(layers)
