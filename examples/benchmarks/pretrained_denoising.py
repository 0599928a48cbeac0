"""How well, and how fast, the denoisers that come with the package restore.

Protocol: clean 8-bit images plus white Gaussian noise that is neither clipped nor
rounded; the answer is clipped and rounded; PSNR for a peak of 255, averaged over the
images. ``told`` knows the noise level, ``estimated`` does not. The time is that of one
image of 512 x 512, beside the bare torch module of DnCNN with 17 layers, both channels
last, in the same precision. ``python pretrained_denoising.py GREY [--colour FOLDER ...]
[--weights FILE] [--self-ensemble]``
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from _images import psnr, read_colour, read_grey
from filters import seconds

from skdeconv import PretrainedDenoiser
from skdeconv.estimation import estimate_noise_std
from skdeconv.networks import DnCNN, network_summary

LEVELS = (15, 25, 50)


def scores(images, std, **parameters):
    """Mean PSNR with the level told and estimated, and of the noisy images."""
    results = []
    for seed, clean in enumerate(images.values()):
        noise = np.random.default_rng(seed).standard_normal(clean.shape)
        noisy = (clean + std * noise).astype(np.float32)[None]
        row = [psnr(noisy[0], clean)]
        for level in (float(std), "auto"):
            denoiser = PretrainedDenoiser(level, data_range=255.0, **parameters)
            row.append(psnr(denoiser.fit(noisy).predict(noisy)[0], clean))
        results.append(row)
    return np.mean(results, axis=0)


def level_errors(images, std):
    """Relative errors of the estimated noise level, mean and worst."""
    errors = []
    for seed, clean in enumerate(images.values()):
        noise = np.random.default_rng(seed).standard_normal(clean.shape)
        noisy = torch.from_numpy(clean + std * noise)[None, None]
        errors.append(abs(float(estimate_noise_std(noisy, 2)) / std - 1))
    return np.mean(errors), np.max(errors)


def compare_time():
    """Print times of the network and of DnCNN for one image."""
    x = np.random.default_rng(0).normal(128, 30, (1, 512, 512)).astype(np.float32)
    rival = DnCNN(1, 1).eval().to(memory_format=torch.channels_last)
    image = torch.from_numpy(x[None]).contiguous(memory_format=torch.channels_last)
    for precision in ("float32", "bfloat16"):
        ours = PretrainedDenoiser(25.0, precision=precision, data_range=255.0).fit(x)
        low = precision == "bfloat16"
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=low):
            theirs = seconds(lambda: rival(image))
        mine = seconds(lambda ours=ours: ours.predict(x))
        print(
            f"512 x 512, {precision}: {mine:.3f} s, DnCNN {theirs:.3f} s, "
            f"ratio {theirs / mine:.1f}"
        )
    print(network_summary(ours.network_.net_.module_))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("grey", type=Path)
    parser.add_argument("--colour", type=Path, nargs="*", default=[])
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--self-ensemble", action="store_true")
    arguments = parser.parse_args()
    options = {
        "weights": arguments.weights,
        "self_ensemble": arguments.self_ensemble,
    }
    sets = {arguments.grey: read_grey(arguments.grey)}
    sets |= {folder: read_colour(folder) for folder in arguments.colour}
    for folder, images in sets.items():
        for std in LEVELS:
            noisy, told, estimated = scores(images, std, **options)
            print(
                f"{folder.name}, noise {std}: noisy {noisy:.2f} dB, told {told:.2f} "
                f"dB, estimated {estimated:.2f} dB",
                flush=True,
            )
    for std in LEVELS:
        mean, worst = level_errors(sets[arguments.grey], std)
        print(f"noise {std}: estimate off by {mean:.1%} on average, {worst:.1%} worst")
    compare_time()


if __name__ == "__main__":
    main()
