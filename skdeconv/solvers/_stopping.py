"""When to stop Richardson-Lucy."""

from dataclasses import dataclass

import torch
from torch import Tensor

from skdeconv.operators import Blur
from skdeconv.operators._grids import frame
from skdeconv.solvers._richardson_lucy import PARTS, scenes
from skdeconv.solvers._tiles import Tiles

# A part of an image is finished when this many steps in a row did not lower its risk;
# the image, when all but this share of its parts are.
PATIENCE, REST = 5, 0.1

# Length of the change of the data by which their influence is measured, in standard
# deviations of the noise.
NUDGE = 0.3

# Factor of the influence of the noise. Where the noise is taken for more than it is, an
# image stops a little early; where for less, in sparse scenes, it may go on too long.
CAUTION = 1.1

# Larger images are stopped as a whole, and the influence is measured on so many pixels.
LOCAL, PROBED = 2**21, 2**17


@dataclass(frozen=True)
class Stopped:
    """Answer of a solver that stops each image on its own.

    Parameters
    ----------
    x : Tensor of shape (batch, channels, *spatial)
        Restored images.
    n_iter : Tensor of int of shape (batch,)
        The steps after which each image was best as a whole.
    risk : Tensor of shape (batch, n_steps)
        Estimated mean squared error of the predicted data after each step.
    """

    x: Tensor
    n_iter: Tensor
    risk: Tensor


def richardson_lucy_of_least_risk(
    y: Tensor,
    blur: Blur,
    noise_variance: tuple[Tensor, Tensor],
    *,
    weight: Tensor | None = None,
    max_iter: int = 100,
    **options,
) -> Stopped:
    r"""Richardson-Lucy with as many steps for each part of an image as noise allows.

    Smooth parts are best after few steps, which leave edges blurred. The number of
    steps minimises, in each tile of about 16 x 16 pixels (as many in signals and
    volumes) and its neighbours, an estimate of the
    error of the data that the image predicts, :math:`m = H x + b`, without their noise,

    .. math:: \frac1N \sum_i (y_i - m_i)^2
              + 2 \sigma_i^2 \frac{\partial m_i}{\partial y_i} - \sigma_i^2

    which is unbiased for Gaussian noise [1]_. How data move their own prediction is
    seen in a second run on data moved a little at random [2]_. It counts a tenth more
    than it should, since noise taken for too little costs more than noise taken for too
    much. Between the tiles the answers blend. Images of more than 2 million pixels, of
    which the second run sees but a part, have one number of steps everywhere.

    Parameters
    ----------
    y : Tensor of shape (batch, channels, *spatial)
        Blurred images.
    blur : Blur
        The blur to undo.
    noise_variance : pair of Tensor of shape (batch,)
        Variance of the noise at intensity 0, and its growth with intensity.
    weight : Tensor of shape (batch, 1 or channels, *spatial) or None, default=None
        Factor of each pixel's term in the likelihood and in the risk.
    max_iter : int, default=100
        Most steps.
    **options
        Further options of :func:`richardson_lucy`: `background`, `tv_weight` and
        `acceleration`.

    Returns
    -------
    result : Stopped
        Images, their steps and the risk after each step, NaN where an image had
        stopped.

    References
    ----------
    .. [1] C. M. Stein, "Estimation of the mean of a multivariate normal distribution",
       The Annals of Statistics 9(6), 1981. https://doi.org/10.1214/aos/1176345632
    .. [2] S. Ramani, T. Blu, M. Unser, "Monte-Carlo SURE: a black-box optimization of
       regularization parameters for general denoising algorithms", IEEE Transactions on
       Image Processing 17(9), 2008. https://doi.org/10.1109/TIP.2008.2001404
    """
    if weight is not None:
        y = torch.where(weight > 0, y, 0)
    run = {"weight": weight, **options}
    part, part_run, part_blur = y, run, blur
    whole = y[0, 0].numel() <= LOCAL
    tiles = Tiles(tuple(y.shape[2:])) if whole else Tiles(tuple(y.shape[2:]), None)
    if not whole:
        window = _brightest_window(y if weight is None else y * weight, blur)
        part = window(y)
        part_run = {**run, "weight": None if weight is None else window(weight)}
        part_blur = Blur.unchecked(blur.psf, "extended")
    variance = _variance(part, noise_variance)
    scale = 1.0
    if not whole:
        scale = _total(_variance(y, noise_variance), weight)
        scale = scale / _total(variance, part_run["weight"]).clamp_min(_tiny(y))
        scale = scale.reshape(-1, *(1,) * blur.ndim)
    counted = torch.ones_like(y[:1]) if weight is None else weight.expand(y.shape)
    size = tiles.sums(counted)
    del counted
    nudge = variance.sqrt_().mul_(_signs(part))
    lever = nudge if weight is None else nudge * part_run["weight"]
    probe = tiles if whole else Tiles(tuple(part.shape[2:]), None)
    seen = {}

    def misfit(m):
        seen["misfit"] = 0
        for predicted, data, *known in zip(
            *(v.tensor_split(1 if whole else PARTS, 2) for v in images(m)), strict=True
        ):
            error = predicted - data
            if whole:
                seen["before"] = tiles.sums(lever * error)
            if weight is not None:
                error.mul_(known[0].sqrt())
            seen["misfit"] = seen["misfit"] + tiles.sums(error.square_())

    def images(m):
        return (m, y) if weight is None else (m, y, weight)

    def influence(name):
        return lambda m: seen.__setitem__(name, probe.sums(lever * (m - part)))

    runs = [
        scenes(y, blur, look=misfit, **run),
        scenes(part + NUDGE * nudge, part_blur, look=influence("after"), **part_run),
    ]
    if not whole:
        runs.append(scenes(part, part_blur, look=influence("before"), **part_run))

    def risk():
        slope = (seen["after"] - seen["before"]) / NUDGE
        return seen["misfit"] + 2 * CAUTION * scale * slope

    nearby = tiles.smooth(size).clamp_min(_tiny(y))
    everything = size.flatten(1).sum(1).clamp_min(_tiny(y))
    visible = frame(tuple(y.shape[2:]))
    best = last = least = None
    active = torch.ones(len(y), dtype=torch.bool, device=y.device)
    path, x = [], None
    for n in range(max_iter + 1):
        # A step sees what the scene before it predicts, which it leaves as it is.
        scene, *_ = [next(one) for one in runs]
        held, x = x, scene[visible]
        if n == 0:
            continue
        value = risk()
        path.append((value.flatten(1).sum(1) / everything).where(active, torch.nan))
        value = tiles.smooth(value) / nearby
        if n == 1:
            best, least, last = held.clone(), value, torch.ones_like(value).int()
            continue
        better = (value < least) & active.reshape(-1, *(1,) * blur.ndim)
        if better.any():
            best.lerp_(held, tiles.spread(better.to(y.dtype)))
            least, last = least.where(~better, value), last.where(~better, n)
        going = (n - last < PATIENCE).flatten(1).to(y.dtype).mean(1)
        active = active & (going > REST)
        if not active.any():
            break
    path = torch.stack(path, 1)
    n_iter = path.nan_to_num(nan=torch.inf).argmin(1).int() + 1
    return Stopped(best, n_iter, path)


def _variance(y, noise_variance):
    constant, gain = (v.reshape(-1, *(1,) * (y.ndim - 1)) for v in noise_variance)
    return torch.clamp_min(y, 0).mul_(gain).add_(constant)


def _total(values, weight=None):
    values = values if weight is None else values * weight
    return values.flatten(1).sum(1)


def _tiny(x):
    return torch.finfo(x.dtype).tiny


def _signs(like):
    """Random signs, the same for all images and channels."""
    generator = torch.Generator().manual_seed(0)
    shape = (1, 1, *like.shape[2:])
    signs = torch.randint(0, 2, shape, generator=generator, dtype=torch.int8)
    return signs.mul_(2).sub_(1).to(like)


def _brightest_window(y, blur):
    """A function that cuts the brightest window out of each image."""
    shape = y.shape[2:]
    ratio = (PROBED / y[0, 0].numel()) ** (1 / blur.ndim)
    sizes = [
        max(min(n, int(n * ratio)), k)
        for n, k in zip(shape, blur.psf.shape, strict=True)
    ]
    corners = []
    for image in y.sum(1):
        corner = []
        for axis, size in enumerate(sizes):
            others = [a for a in range(blur.ndim) if a != axis]
            profile = image.sum(others) if others else image
            corner.append(int(profile.unfold(0, size, 1).sum(1).argmax()))
        corners.append(corner)

    def cut(x):
        parts = []
        for image, corner in zip(x, corners, strict=True):
            edges = zip(corner, sizes, strict=True)
            parts.append(image[(..., *(slice(a, a + size) for a, size in edges))])
        return torch.stack(parts)

    return cut
