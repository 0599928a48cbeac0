"""Networks that learn from a single real noisy image, beside classical restorers.

Samples of the fluorescence microscopy denoising dataset (Zhang et al., CVPR 2019, doi
10.7274/r0-ed2r-4052): one shot each, and the average of 50 as the truth. Networks are
trained on the one noisy image, all of it, or come trained on photographs and are then
adapted to it or not; every restorer is judged on its middle 256 x 256 pixels, clipped
to 0..255, and tunes itself.
``python self_supervision_microscopy.py FOLDER [--minutes 2] [-o FIGURES]``
"""

import argparse
import time
import warnings
from pathlib import Path

import imageio.v3 as imageio
import matplotlib.pyplot as plt
import numpy as np

from skdeconv import (
    BlockMatchingRestorer,
    DeconvRestorer,
    MedianRestorer,
    NonLocalMeansRestorer,
    PretrainedDenoiser,
    TotalVariationRestorer,
    WaveletRestorer,
)
from skdeconv.exceptions import NoiseWarning
from skdeconv.metrics import psnr

MIDDLE = slice(128, 384), slice(128, 384)
DETAIL = slice(52, 180), slice(52, 180)


def pairs(folder):
    """Yield name, noisy image and truth."""
    for name, noisy, clean in [
        ("confocal", "BPAE_R_Channel_noisy_image", "BPAE_R_Channel_gt_image"),
        ("wide field", "WideField_BPAE_raw_rgb_new1", "WideField_BPAE_gt_rgb_new1"),
    ]:
        images = [imageio.imread(folder / f"{n}.png") for n in (noisy, clean)]
        if (images[0] == images[0][..., :1]).all():
            images = [image[..., 0] for image in images]
        yield name, *images
    stacks = [
        imageio.imread(folder / f"3D_volume_{name}_stack1_32bit.tif")
        for name in ("raw", "gt")
    ]
    for stain, (noisy, clean) in enumerate(zip(*stacks, strict=True)):
        yield f"stain {stain}", noisy, clean


def restorers(minutes):
    classical = {
        "median": MedianRestorer(),
        "wavelets": WaveletRestorer(),
        "non-local means": NonLocalMeansRestorer(),
        "total variation": TotalVariationRestorer(),
        "block matching": BlockMatchingRestorer(),
    }
    networks = {
        supervision: DeconvRestorer(
            supervision=supervision,
            optimizer="adamw",
            max_grad_norm=1.0,
            ema_decay=0.999,
            batch_size=4,
            max_epochs=10**4,
            max_time=60 * minutes,
            module__width=24,
            random_state=0,
        )
        for supervision in ("noise2void", "neighbor2neighbor", "sure")
    }
    networks["pretrained"] = PretrainedDenoiser(self_ensemble=True)
    networks["adapted"] = PretrainedDenoiser(
        fine_tune="neighbor2neighbor", self_ensemble=True, random_state=0
    )
    return classical | networks


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=2)
    parser.add_argument("-o", "--output", type=Path, default=None)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", NoiseWarning)
    for title, noisy, clean in pairs(arguments.folder):
        truth = clean[MIDDLE][None]
        before = psnr(truth, noisy[MIDDLE][None], data_range=255)
        print(f"{title}, {noisy.shape} {noisy.dtype}: input {before:.2f} dB")
        shown = {f"input, {before:.2f} dB": noisy[MIDDLE]}
        for name, restorer in restorers(arguments.minutes).items():
            start = time.perf_counter()
            restorer.set_params(data_range=255.0).fit(noisy[None])
            restored = restorer.predict(noisy[None])[0][MIDDLE].clip(0, 255)
            seconds = time.perf_counter() - start
            score = psnr(truth, restored[None], data_range=255)
            print(f"  {name:18} {score:6.2f} dB  {seconds:6.1f} s", flush=True)
            shown[f"{name}, {score:.2f} dB"] = restored
        if arguments.output is not None:
            draw(arguments.output / f"{title}.png", shown | {"truth": clean[MIDDLE]})


def draw(path, shown):
    figure, axes = plt.subplots(2, 6, figsize=(18, 6.4), layout="constrained")
    high = float(np.percentile(shown["truth"][DETAIL], 99.8))
    for axis, (title, image) in zip(axes.flat, shown.items(), strict=False):
        detail = np.clip(image[DETAIL] / high, 0, 1)
        axis.imshow(detail, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        axis.set_title(title, fontsize=9)
    for axis in axes.flat:
        axis.set_axis_off()
    figure.savefig(path, dpi=90)
    plt.close(figure)


if __name__ == "__main__":
    main()
