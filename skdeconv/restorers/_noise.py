"""Noise level of pairs."""

import torch

from skdeconv.operators import Blur


def pair_noise_std(images, target, psf) -> float:
    """Root mean square of what the blur does not explain, away from the borders."""
    pairs = zip(images.images(), target.images(images.float_dtype), strict=True)
    errors = [_misfit(x, y, psf).square().mean() for x, y in pairs]
    return float(torch.stack(errors).mean().sqrt())


def _misfit(x, y, psf):
    if psf is None:
        return x - y
    blur = Blur.unchecked(psf, "reflect")
    room = zip(x.shape[2:], blur.margins, strict=True)
    inside = [
        slice(before, n - after) if n > before + after else slice(None)
        for n, (before, after) in room
    ]
    return (x - blur(y))[(..., *inside)]
