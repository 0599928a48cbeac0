"""Groups of similar blocks: for each of a grid of blocks those nearest to it."""

from math import prod

import torch
from torch import Tensor

# Distances computed at once.
CHUNK = 2**22
# Blocks of the grid that share one matrix product.
TILE = 64
# Stands for the distance to where there is no block.
FAR = 1e30


def match_blocks(
    features: Tensor,
    start: tuple[int, ...],
    counts: tuple[int, ...],
    *,
    step: tuple[int, ...],
    radius: tuple[int, ...],
    size: int,
    nearness: float,
) -> Tensor:
    r"""Find the nearest blocks around each block of a grid.

    Parameters
    ----------
    features : Tensor of shape (batch, n_features, *positions)
        What blocks are compared by: the squared distance of these vectors.
    start, counts, step : tuple of int
        Per axis the position of the first block of the grid, the number of blocks and
        their spacing.
    radius : tuple of int
        Per axis, how far away the neighbours may be.
    size : int
        Blocks in a group, no more than there are positions in the corner of a window.
    nearness : float
        Distance that is added at the end of the window, and less of it nearer by, which
        settles between equals.

    Returns
    -------
    index : Tensor of int of shape (size, batch * prod(counts))
        Groups: positions of blocks in C order, those of the next image following. Each
        block comes first in its own group.

    Notes
    -----
    The grid is cut into tiles; the distances from the blocks of a tile to all blocks
    around them are one matrix product, and the window of each block is a view of it.
    """
    batch, n_features, *positions = features.shape
    ndim = len(positions)
    device, axes = features.device, range(ndim)
    tiles = [-(-n // round(TILE ** (1 / ndim))) for n in counts]
    tile = [-(-n // t) for n, t in zip(counts, tiles, strict=True)]
    tiles = [-(-n // t) for n, t in zip(counts, tile, strict=True)]
    window = [2 * r + 1 for r in radius]
    span = [(t - 1) * s + w for t, s, w in zip(tile, step, window, strict=True)]
    stride = [t * s for t, s in zip(tile, step, strict=True)]

    # Features, squared norms and ones, surrounded by blocks that are far from all.
    last = [(t - 1) * d + n for t, d, n in zip(tiles, stride, span, strict=True)]
    room = [
        max(a + n, r + p)
        for a, n, r, p in zip(start, last, radius, positions, strict=True)
    ]
    padded = features.new_zeros(batch, n_features + 2, *room)
    padded[:, -2] = FAR
    padded[:, -1] = 1
    inside = (..., *(slice(r, r + p) for r, p in zip(radius, positions, strict=True)))
    padded[:, :-2][inside] = features
    padded[:, -2][inside] = features.square().sum(1)
    padded = padded[(..., *(slice(a, a + n) for a, n in zip(start, last, strict=True)))]

    offsets, handicap = _window(positions, radius, features)
    handicap = nearness * handicap
    area, pitch = prod(span), [prod(span[a + 1 :]) for a in axes]
    blocks = prod(tile)
    jump = [
        prod(tile[a + 1 :]) * area + s * p
        for a, s, p in zip(axes, step, pitch, strict=True)
    ]
    per_row = batch * prod(tiles[1:]) * blocks * area
    rows = max(1, CHUNK // per_row)
    groups, origins = [], []
    for first in range(0, tiles[0], rows):
        n = min(rows, tiles[0] - first)
        around = padded.narrow(2, first * stride[0], (n - 1) * stride[0] + span[0])
        for axis in axes:
            around = around.unfold(axis + 2, span[axis], stride[axis])
        around = around.movedim(1, ndim + 1)  # (batch, *tiles, features, *span)
        centre = around[
            (
                ...,
                *(
                    slice(r, r + s * t, s)
                    for r, s, t in zip(radius, step, tile, strict=True)
                ),
            )
        ]
        lead = around.shape[: ndim + 1]
        centre = centre.reshape(*lead, n_features + 2, blocks)
        centre = torch.cat(
            [-2 * centre[..., :-2, :], centre[..., -1:, :], centre[..., -2:-1, :]], -2
        )
        distance = torch.matmul(
            centre.transpose(-1, -2), around.reshape(*lead, n_features + 2, area)
        )
        view = distance.as_strided(
            (prod(lead), *tile, *window), (blocks * area, *jump, *pitch)
        )
        distance = (view + handicap).reshape(-1, prod(window))
        groups.append(distance.topk(size, 1, largest=False).indices)
        origins.append(
            _origins(
                batch,
                first,
                (n, *tiles[1:]),
                tile,
                counts,
                start,
                step,
                positions,
                device,
            )
        )
    nearest, origin = torch.cat(groups), torch.cat(origins)
    real = (origin >= 0).nonzero()[:, 0]
    return (origin[real] + offsets[nearest[real]].T).contiguous()


def _window(positions, radius, like):
    """Index offsets of the places in a window, and their squared distance."""
    offsets = torch.zeros((), dtype=torch.int64, device=like.device)
    handicap = like.new_zeros(())
    for n, r in zip(positions, radius, strict=True):
        away = torch.arange(-r, r + 1, device=like.device)
        offsets = (offsets * n)[..., None] + away
        far = (away.to(like) / max(r, 1)).square() + 1e-3 * (away > 0)
        handicap = handicap[..., None] + far / len(positions)
    handicap = handicap.clone()
    handicap[tuple(radius)] = -FAR  # the block itself
    return offsets.flatten(), handicap


def _origins(batch, first, tiles, tile, counts, start, step, positions, device):
    """Positions of the blocks of tiles in C order; -1 where the grid has ended."""
    ndim = len(tile)
    origin = torch.arange(batch, device=device).reshape(-1, *[1] * (2 * ndim))
    real = torch.ones((), dtype=torch.bool, device=device)
    for axis in range(ndim):
        t = torch.arange(tiles[axis], device=device) + (first if axis == 0 else 0)
        i = t[:, None] * tile[axis] + torch.arange(tile[axis], device=device)
        shape = [1] * (2 * ndim + 1)
        shape[1 + axis], shape[1 + ndim + axis] = i.shape
        i = i.reshape(shape)
        origin = origin * positions[axis] + start[axis] + i * step[axis]
        real = real & (i < counts[axis])
    return origin.masked_fill(~real, -1).flatten()
