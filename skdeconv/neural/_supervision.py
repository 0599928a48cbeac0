"""What a network is trained to do: match clean images, or learn from noisy ones alone.

An objective is called with the net, an input and a target of range 1, and gives the
loss of the batch, and the prediction. The input is a tensor, or a tensor and noise
levels; the first channels of the tensor are the images, others weights of their pixels.
"""

import torch
from torch import Tensor

from skdeconv.neural._ensembles import turns
from skdeconv.operators import Blur
from skdeconv.operators._scene import crop

# Length of the step along which a divergence is measured, in noise levels. Longer ones
# make the estimate less noisy, and the noise more that a network is trained for.
STEP = 0.4


class Supervised:
    """The loss between prediction and clean image."""

    def __call__(self, net, x, y: Tensor):
        prediction = net.infer(x)
        return net.criterion_(prediction, y), prediction


class SelfSupervised:
    """What objectives share that see noisy images only.

    Behind a blur, what it leaves nothing of would be free to be anything. So a restored
    image that is turned, blurred and made noisy again must be restored to itself.

    Parameters
    ----------
    psf : ndarray or None, default=None
        A blur that stands between the prediction and the noisy image.

    References
    ----------
    .. [1] D. Chen, J. Tachella, M. E. Davies, "Robust equivariant imaging: a fully
       unsupervised framework for learning to image from noisy and partial
       measurements", CVPR 2022. https://arxiv.org/abs/2111.12855
    """

    def __init__(self, psf=None):
        self.psf = psf

    def _equivariance(self, net, prediction, misfit, weight, levels):
        """Error of restoring a turned prediction, as noisy as the data."""
        if self.psf is None:
            return 0.0
        ways = list(turns(prediction.ndim - 2))
        turn, _ = ways[int(torch.randint(len(ways), ()))]
        scene, weight = turn(prediction), turn(weight)
        std = misfit.detach().flatten(1).std(dim=1).to(scene)
        noise = torch.randn_like(scene) * std.reshape(-1, *[1] * (scene.ndim - 1))
        again = Blur.unchecked(self.psf, "reflect")(scene) + noise
        return net.criterion_(net.infer(_join(again, weight, levels)), scene)

    def _measured(self, prediction, *images):
        """What the camera would see of a prediction; cut images to the same part."""
        if self.psf is None:
            return prediction, *images
        blur = Blur.unchecked(self.psf, "extended")
        return blur(prediction), *(crop(image, blur) for image in images)


class Noise2Void(SelfSupervised):
    """Predict pixels from those around them, which know nothing of their noise.

    Parameters
    ----------
    psf : ndarray or None, default=None
        A blur that stands between the prediction and the noisy image.
    share : float, default=0.1
        Part of the pixels that is hidden at a time; more teach more in a step.
    radius : int, default=2
        How far away the pixel may lie, along every axis, that takes the place of one.

    References
    ----------
    .. [1] A. Krull, T.-O. Buchholz, F. Jug, "Noise2Void - Learning denoising from
       single noisy images", CVPR 2019. :doi:`10.1109/CVPR.2019.00223`
    """

    def __init__(self, psf=None, share=0.1, radius=2):
        super().__init__(psf)
        self.share, self.radius = share, radius

    def __call__(self, net, x, y):
        noisy, weight, levels = _take_apart(x, y)
        hidden = torch.rand_like(noisy[:, :1]) < self.share
        shown = torch.where(hidden, self._others(noisy), noisy)
        prediction = net.infer(_join(shown, weight, levels))
        seen, target, hidden = self._measured(prediction, y, hidden.expand_as(y))
        target = _known(target, weight, seen, self._measured)
        if not hidden.any():
            return 0 * prediction.sum(), prediction
        loss = net.criterion_(seen[hidden], target[hidden])
        again = self._equivariance(net, prediction, seen - target, weight, levels)
        return loss + again, prediction

    def _others(self, x):
        """For every pixel another one near it, the same for all channels."""
        shape = x.shape[2:]
        flat, shifted = 0, torch.zeros(len(x), *shape, dtype=torch.bool)
        offsets = torch.randint(
            -self.radius, self.radius + 1, (len(shape), len(x), *shape)
        )
        for axis, (n, offset) in enumerate(zip(shape, offsets, strict=True)):
            here = torch.arange(n).reshape(-1, *[1] * (len(shape) - 1 - axis))
            there = (here + offset).clamp(0, n - 1)
            shifted |= there != here
            flat = flat * n + there
        total = x[0, 0].numel()
        # A pixel must not stand in for itself.
        flat = torch.where(shifted, flat, (flat + 1) % total)
        index = flat.reshape(len(x), 1, -1).expand(-1, x.shape[1], -1).to(x.device)
        return x.flatten(2).gather(2, index).reshape(x.shape)


class Neighbor2Neighbor(SelfSupervised):
    r"""Predict one half-size image from another, of pixels beside those of the first.

    .. math:: \ell\bigl(f(g_1 x), g_2 x\bigr) + \gamma \,
        \ell\bigl(f(g_1 x) - g_2 x, g_1 f(x) - g_2 f(x)\bigr)

    where :math:`g_1` and :math:`g_2` take two pixels of every cell of two per axis; the
    second term makes up for the pixels not being the same.

    Parameters
    ----------
    weight : float, default=0.25
        Weight of the second term; larger ones learn more slowly.

    References
    ----------
    .. [1] T. Huang et al., "Neighbor2Neighbor: Self-supervised denoising from single
       noisy images", CVPR 2021. :doi:`10.1109/CVPR46437.2021.01454`
    """

    def __init__(self, weight=0.25):
        super().__init__()
        self.weight = weight

    def __call__(self, net, x, y):
        noisy, weight, levels = _take_apart(x, y)
        first, second = self._choice(noisy)
        half = _join(_take(noisy, first), _take(weight, first), levels)
        prediction = net.infer(half)
        with torch.no_grad():
            whole = net.infer(x)
        target = _known(_take(y, second), _take(weight, second), prediction)
        gap = _take(whole, first) - _take(whole, second)
        loss = net.criterion_(prediction, target)
        loss = loss + self.weight * net.criterion_(prediction - target, gap)
        return loss, whole

    def _choice(self, x):
        """Give the numbers of two pixels beside each other for every cell."""
        ndim = x.ndim - 2
        cells = (len(x), *(n // 2 for n in x.shape[2:]))
        if 0 in cells:
            raise ValueError(
                "'neighbor2neighbor' needs images of at least 2 pixels along every "
                f"axis, got patches of {tuple(x.shape[2:])}."
            )
        first = torch.randint(2**ndim, cells)
        axis = torch.randint(ndim, cells)
        return first.to(x.device), (first ^ (1 << axis)).to(x.device)


class SURE(SelfSupervised):
    r"""An estimate of the squared error from the noise level alone.

    .. math:: \frac1{2n} \sum_\pm \|f(x_\pm) - x\|^2 - \sigma^2 +
        \frac{\sigma}{an} \langle z, f(x_+) - f(x_-) \rangle,
        \quad x_\pm = x \pm a \sigma z

    with normal noise z. For small steps a this is Stein's estimate with a divergence
    along one random direction [1]_ [2]_, which is noisy, and which networks learn to
    deceive where a is not small. For noise that is a little stronger,
    :math:`\sigma \sqrt{1 + a^2}`, it is free of bias whatever a [3]_, so that long
    steps can be taken, whose noise is less.

    Parameters
    ----------
    psf : ndarray or None, default=None
        A blur that stands between the prediction and the noisy image.

    References
    ----------
    .. [1] S. Ramani, T. Blu, M. Unser, "Monte-Carlo SURE", IEEE TIP 17(9), 2008.
       :doi:`10.1109/TIP.2008.2001404`
    .. [2] S. Soltanayev, S. Y. Chun, "Training deep learning based denoisers without
       ground truth data", NeurIPS 2018. https://arxiv.org/abs/1803.01314
    .. [3] N. L. Oliveira, J. Lei, R. J. Tibshirani, "Unbiased risk estimation in the
       normal means problem via coupled bootstrap techniques", 2021.
       https://arxiv.org/abs/2111.09447
    """

    def __call__(self, net, x, y):
        noisy, weight, (levels,) = _take_apart(x, y)
        sigma = levels = levels.to(noisy)
        if levels.ndim == 1:
            sigma = levels.reshape(-1, *[1] * (noisy.ndim - 1))
        direction = torch.randn_like(noisy)
        if weight.numel():
            direction = direction * (weight > 0)
        step = STEP * sigma.clamp(min=1e-3)
        levels = levels * (1 + STEP**2) ** 0.5
        moved = (
            _join(noisy + side * direction, weight, [levels]) for side in (step, -step)
        )
        both = net.infer(tuple(map(torch.cat, zip(*moved, strict=True))))
        prediction = sum(both.chunk(2)) / 2
        seen, y, direction = self._measured(both, y, direction)
        up, down = sides = seen.chunk(2)
        misfits = [side - _known(y, weight, side, self._measured) for side in sides]
        divergence = direction * (up - down) / (2 * step)
        risk = sum(misfit.square() for misfit in misfits) / 2
        risk = risk - sigma**2 + 2 * sigma**2 * divergence
        again = self._equivariance(net, prediction, misfits[0], weight, [levels])
        return risk.mean() + again, prediction


def _take_apart(x, y):
    """Give the images, the weights of their pixels (perhaps none) and noise levels."""
    tensor, *levels = x if isinstance(x, tuple | list) else (x,)
    return tensor[:, : y.shape[1]], tensor[:, y.shape[1] :], levels


def _join(noisy, weight, levels):
    """Put an input together again."""
    tensor = torch.cat([noisy, weight], dim=1)
    return (tensor, *levels) if levels else tensor


def _known(target, weight, prediction, measured=None):
    """Replace pixels of which nothing is known by the prediction: they cost nothing."""
    if not weight.numel():
        return target
    if measured is not None:
        _, weight = measured(weight, weight)
    return torch.where(weight > 0, target, prediction.detach())


def _take(x, choice):
    """Take one pixel of every cell of two per axis, the same for all channels."""
    ndim = x.ndim - 2
    for axis in range(2, x.ndim):
        x = x.narrow(axis, 0, x.shape[axis] // 2 * 2)
    cells = [n // 2 for n in x.shape[2:]]
    folded = x.reshape(*x.shape[:2], *(m for n in cells for m in (n, 2)))
    inner, outer = range(3, 3 + 2 * ndim, 2), range(2, 2 + 2 * ndim, 2)
    folded = folded.permute(0, 1, *outer, *inner).flatten(2 + ndim)
    index = choice[:, None, ..., None].expand(*folded.shape[:-1], 1)
    return folded.gather(-1, index)[..., 0]
