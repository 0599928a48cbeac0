"""Noise of images that were compressed after it came upon them."""

import torch
import torch.nn.functional as F
from torch import Tensor

# Side of the blocks of a JPEG file, weights of red, green and blue in its luma, and
# where they are clipped.
SIDE, LUMA = 8, (0.299, 0.587, 0.114)
BLACK, WHITE = 0, 255

# The middle of larger images is looked at, up to so many pixels along each axis, and
# of that a smaller one for where the blocks begin. There must be so many blocks.
MIDDLE, CORNER, FEWEST = 1024, 256, 64

# Rounding of the pixels moves coefficients by a third. Quantised to steps, more of the
# fine ones are zero within this than where blocks begin elsewhere: so many times, and
# so many standard errors. Of images that were never compressed it is up to 1.01 times,
# at a quality of 30 to 95 at least 1.1 times.
ZERO, TIMES, ERRORS = 1.0, 1.06, 5.0
# Not by rounding are coefficients beyond this, and a step is the least of those, where
# they are at least this part.
ROUNDED, LEAST, SEEN = 1.5, 0.05, 0.003

# Means of blocks are this many levels from black and white, where pixels are clipped.
ROOM = 3.5

# Noise alone is in the smoothest blocks, this share and at least so many.
SMOOTH, ENOUGH = 0.1, 20
# Coefficients tell of the noise where more than this part of them is not zero.
TELLING = 0.03
# Sums of the two frequencies in the bands that are compared, and how many coefficients
# of a band must tell. Noise is as strong in all of them, texture weaker in the last.
BANDS, MEMBERS = ((3, 5), (5, 7), (7, 10), (10, 15)), 4
# So many times stronger in one band than in another it may be texture, and is.
UNEVEN, TEXTURE = 1.5, 2.0


def jpeg_noise_std(
    x: Tensor, data_range: float, weight: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Estimate the noise that images had before they were compressed as JPEG.

    What has not been changed since shows it: the coefficients of its blocks lie at
    multiples of the steps of their quantisation. In smooth blocks, the part of them
    that is not zero tells how strong white noise was, also where most are, and where
    the pixels themselves no longer show it.

    Parameters
    ----------
    x : Tensor of shape (batch, channels, *spatial)
        Images.
    data_range : float
        Span of the intensities, 255 steps of which were stored.
    weight : Tensor broadcastable to the shape of x, or None, default=None
        Blocks with pixels of weight 0 are left out.

    Returns
    -------
    noise_std : Tensor of shape (batch,)
        Level of white noise that is alike in all channels; 0 where images were not
        compressed, were changed since, or do not show any.
    sure : Tensor of bool of shape (batch,)
        Whether it is as strong in coarse as in fine waves, unlike texture.

    Notes
    -----
    Only the luma of colour images tells. Colours are stored at less than the full
    resolution, but were as noisy as it: independent noise of three channels is weaker
    in their mean.
    """
    level = x.new_zeros(len(x))
    sure = torch.zeros_like(level, dtype=torch.bool)
    if x.ndim != 4 or x.shape[1] not in (1, 3):
        return level, sure
    steps = x * (WHITE / data_range)
    for i, image in enumerate(steps):
        if ((image - image.round()).abs() < 1e-2).all():
            mute = torch.zeros_like(image[0], dtype=torch.bool)
            if weight is not None:
                mute = (weight.expand_as(x)[i] == 0).any(0)
            level[i], sure[i] = _of_image(image.float(), mute)
    return level * (data_range / WHITE), sure


def _of_image(image, mute):
    luma, share = image[0], 1.0
    if len(image) == 3:
        weights = image.new_tensor(LUMA)
        luma, share = (weights[:, None, None] * image).sum(0), float(weights.norm())
    luma, mute, image = (_middle(v, MIDDLE) for v in (luma, mute, image))
    if min(luma.shape) < 2 * SIDE or luma.numel() < (FEWEST + 16) * SIDE**2:
        return 0.0, False
    begin = _begin(_middle(luma, CORNER))
    if begin is None:
        return 0.0, False
    luma, mute, image = (v[..., begin[0] :, begin[1] :] for v in (luma, mute, image))
    coefficients = _coefficients(luma)
    means = F.avg_pool2d(image, SIDE).flatten(1)
    low, high = image <= BLACK, image >= WHITE
    mute = (mute | (low | high).any(0)).to(luma)
    used = F.max_pool2d(mute[None], SIDE).flatten() == 0
    # Near black and white, of noisy blocks only the quieter ones have no clipped pixel.
    room = torch.full_like(means[0], torch.inf)
    for clipped, away in ((low, means - BLACK), (high, WHITE - means)):
        if clipped.any():
            room = torch.minimum(room, away.amin(0))
    level, sure = 0.0, False
    for _ in range(2):
        used = used & (room > ROOM * level)
        if used.sum() >= FEWEST:
            level, sure = _of_coefficients(coefficients[used])
            level = level / share
    return level, sure


def _middle(image, size):
    """The middle of an image; blocks begin where they do in all of it."""
    for axis in (-2, -1):
        n = image.shape[axis]
        if n > size:
            start = (n - size) // 2 // SIDE * SIDE
            image = image.narrow(axis, start, size)
    return image


def _coefficients(luma):
    """Cosine coefficients of the blocks, of shape (blocks, 64)."""
    place = torch.arange(SIDE, dtype=luma.dtype, device=luma.device)
    basis = torch.cos(torch.pi / SIDE * (place + 0.5) * place[:, None])
    basis = F.normalize(basis, dim=1)
    rows, columns = (n // SIDE * SIDE for n in luma.shape)
    blocks = luma[:rows, :columns].unfold(0, SIDE, SIDE).unfold(1, SIDE, SIDE)
    return (basis @ blocks @ basis.T).reshape(-1, SIDE**2)


def _sums(like):
    """Sum of the two frequencies of each coefficient."""
    place = torch.arange(SIDE, device=like.device)
    return (place + place[:, None]).flatten()


def _begin(luma):
    """Row and column at which a block begins, None where images have no blocks."""
    fine = _sums(luma) >= SIDE
    zero = luma.new_tensor(
        [
            [
                (_coefficients(luma[i:, j:])[:, fine].abs() < ZERO).float().mean()
                for j in range(SIDE)
            ]
            for i in range(SIDE)
        ]
    )
    (most, second), places = zero.flatten().topk(2)
    error = (second / (luma.numel() * float(fine.float().mean()))).sqrt()
    if most <= TIMES * second + ERRORS * error:
        return None
    return divmod(int(places[0]), SIDE)


def _of_coefficients(coefficients):
    """Level of the noise in the smoothest blocks, in its weakest band; whether sure."""
    sums, size = _sums(coefficients), coefficients.abs()
    coarse = (sums >= 1) & (sums < BANDS[0][0])
    n = max(ENOUGH, int(SMOOTH * len(size)))
    smooth = size[size[:, coarse].square().sum(1).argsort()[:n]]
    seen = size.where(size > ROUNDED, torch.nan)
    step = seen.nanquantile(LEAST, dim=0)
    # Between two of the values that there are, not below the median.
    limit = ((smooth.median(0).values / step).round() + 0.5) * step
    shown = (smooth > limit).to(size).mean(0)
    telling = (shown >= TELLING) & (seen.isfinite().to(size).mean(0) > SEEN)
    level = limit / -torch.special.ndtri(shown / 2)
    bands = [level[telling & (sums >= low) & (sums < high)] for low, high in BANDS]
    levels = [float(b.median()) for b in bands if len(b) >= MEMBERS]
    if not levels or max(levels) > TEXTURE * min(levels):
        return 0.0, False
    return min(levels), max(levels) <= UNEVEN * min(levels)
