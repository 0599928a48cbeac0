"""Noise of which neighbouring pixels have a part in common."""

from math import isqrt

import torch
import torch.nn.functional as F
from torch import Tensor

from skdeconv.estimation._noise import mute_pixels

# Length of the blocks, and about how many of them are looked at; images of fewer pixels
# along an axis have too few.
BLOCK, BLOCKS, SHORT = 16, 1024, 96

# Noise alone is in the smoothest blocks, this share of all and so many at least. It is
# as strong in one block as in the next: the deviations in these quantiles of the blocks
# differ by no more than the factors that follow, for noise that pixels two or three
# apart do not share, and there must be so many blocks. In photographs they differ more
# but for stationary texture, most of which reaches further than noise. Of 221 images of
# 256 x 256, clean, with white noise of 2 to 25, photons, blur or JPEG, at most three
# are taken for such noise, where it is there 45 % at a level of 5 and 90 % at 25.
SMOOTHEST, FEWEST = 0.1, 20
QUANTILES = (0.05, 0.2)
ALIKE = {2: 1.2, 3: 1.15}
ENOUGH = {2: 100, 3: 400}

# Neighbours along both axes share at least this part of its variance; pixels that far
# apart, and those beyond, at most so much. Less of it shows than there is, since a
# plane is taken out of every block.
SHARED, APART, BEYOND = 0.3, 0.17, 0.12

# Longest distance at which pixels of a block are compared.
REACH = 5

# Less of it counts from so many standard errors on, along both axes; pixels two apart
# share at most this part of what neighbours do, those beyond at most so much, and the
# blocks are as alike as for pixels three apart. Of 96 images of 256 x 256 with white
# noise of 2 to 50, one or two are taken for it, most of them by less than 1.1 times;
# where neighbours share 0.1 or 0.2 it is found in 3 of 4 at a level of 15.
SURE, NEXT, FAR = 3.0, 0.35, 0.06

# Part of the variance that second differences keep of noise of which neighbours share
# what counts as much.
LEAST_DETAIL = (1 - 4 / 3 * SHARED) ** 2


def noise_correlation(x: Tensor, weight: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Find how far apart pixels lie whose noise is not correlated, and what that hides.

    Demosaicking, scaling and resampling give neighbouring pixels a part of the same
    noise, so that its fine detail is weak and its level underestimated from that.
    Where an image is smooth its noise can be seen by itself: with the same strength and
    correlation in every such block, over a pixel or two.

    Parameters
    ----------
    x : Tensor of shape (batch, channels, *spatial)
        Images.
    weight : Tensor broadcastable to the shape of x, or None, default=None
        Blocks with pixels of weight 0 are left out.

    Returns
    -------
    spacing : int64 Tensor of shape (batch,)
        2 or 3 where neighbours share a third of the variance or more; else 1, and where
        nothing can be told: in signals, volumes, small images, where noise grows with
        the intensity over most of an image, and where texture covers all of it.
    excess : Tensor of shape (batch,)
        Where they share less, how many times higher the level is than white noise of
        the same fine detail would have; else 1.
    """
    spacing = torch.ones(len(x), dtype=torch.int64, device=x.device)
    excess = x.new_ones(len(x))
    if x.ndim != 4 or min(x.shape[2:]) < SHORT:
        return spacing, excess
    variance, covariance, count = _smooth_blocks(x, weight)
    low, high = (
        variance.gather(1, (share * count).long()[:, None]).squeeze(1)
        for share in QUANTILES
    )
    among = torch.arange(variance.shape[1], device=x.device)
    smoothest = (SMOOTHEST * count).clamp_min(FEWEST)
    smooth = among < smoothest[:, None]
    total = torch.where(smooth, variance, 0).sum(1)
    shared = torch.where(smooth[:, None, None], covariance, 0).sum(-1)
    shared = shared / total.clamp_min(torch.finfo(x.dtype).tiny)[:, None, None]
    next_one, second, beyond = shared[:, :, 0], shared[:, :, 1], shared[:, :, 2:].abs()

    # Blocks overlap by half.
    error = (2 / (BLOCK**2 * smoothest)).sqrt()[:, None]
    little = (next_one > SURE * error) & (second < NEXT * next_one + error)
    little &= (beyond <= FAR).all(2)
    found = little.all(1) & (count >= ENOUGH[2])
    found &= high <= ALIKE[3] ** 2 * low
    # What is left of the variance in second differences along both axes.
    detail = (1 - (4 * next_one - second) / 3).clamp(0, 1).prod(1)
    excess = torch.where(found, detail.clamp_min(LEAST_DETAIL).rsqrt(), 1)

    correlated = (next_one >= SHARED).all(1)
    spacing = torch.ones_like(count)
    for distance, factor in reversed(ALIKE.items()):
        found = correlated & (count >= ENOUGH[distance])
        found &= high <= factor**2 * low
        found &= (shared[:, :, distance - 1] <= APART).all(1)
        found &= (shared[:, :, distance:].abs() <= BEYOND).flatten(1).all(1)
        spacing = torch.where(found, distance, spacing)
    # What is so in one channel only is its texture.
    spacing, excess = (v.unflatten(0, x.shape[:2]) for v in (spacing, excess))
    spacing = torch.where((spacing > 1).all(1), spacing.amax(1), 1)
    weak = (excess > 1).all(1) & (spacing == 1)
    return spacing, torch.where(weak, excess.square().mean(1).sqrt(), 1)


def _smooth_blocks(x, weight):
    """Variances of the blocks of each plane, ascending, and their covariances.

    Those of shape (planes, axes, distances, blocks), of the smoothest fifth; blocks
    that do not count come last, at infinity, and the number of the others is told.
    """
    step = max(BLOCK // 2, isqrt(x[0, 0].numel() // BLOCKS))
    mute = mute_pixels(x, 2, weight).expand_as(x).flatten(0, 1)
    planes = x.flatten(0, 1)
    planes = planes - planes.mean((1, 2), keepdim=True)
    spoiled = F.max_pool2d(mute[:, None].to(x), BLOCK, step).flatten(1) > 0
    blocks = F.unfold(planes[:, None], BLOCK, stride=step).mT
    place = torch.arange(BLOCK, device=x.device).to(x) - (BLOCK - 1) / 2
    ramps = place.repeat(BLOCK), place.repeat_interleave(BLOCK)
    plane = F.normalize(torch.stack([torch.ones_like(ramps[0]), *ramps]), dim=1)
    blocks = blocks - (blocks @ plane.T) @ plane
    variance = blocks.square().sum(2) / (BLOCK**2 - len(plane))
    variance, order = variance.masked_fill(spoiled, torch.inf).sort(dim=1)
    kept = order[:, : max(FEWEST, order.shape[1] // 5)]
    blocks = blocks.gather(1, kept[..., None].expand(-1, -1, BLOCK**2))
    blocks = blocks.unflatten(2, (BLOCK, BLOCK))
    covariance = torch.stack(
        [
            torch.stack([_together(blocks, axis, d) for d in range(1, REACH + 1)], 1)
            for axis in (2, 3)
        ],
        dim=1,
    )
    rest = variance.shape[1] - covariance.shape[-1]
    return variance, F.pad(covariance / BLOCK**2, (0, rest)), (~spoiled).sum(1)


def _together(blocks, axis, distance):
    """Sums of the products of pixels that lie so far apart."""
    n = BLOCK - distance
    pairs = blocks.narrow(axis, 0, n) * blocks.narrow(axis, distance, n)
    return pairs.sum((2, 3))
