"""Denoising by block matching, beside published figures and the package bm3d.

Protocol: clean 8-bit images plus white Gaussian noise that is neither clipped nor
rounded; the answer is clipped and rounded; PSNR for a peak of 255, averaged over the
images. ``python block_matching.py FOLDER [--time]``
"""

import argparse
import time
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
from _images import psnr

from skdeconv import BlockMatchingRestorer

# Mean PSNR of BM3D on the 12 usual images ("Set12").
PUBLISHED = {15: 32.37, 25: 29.97, 50: 26.72}


def noisy(clean, sigma, seed):
    random = np.random.default_rng(seed)
    return (clean + sigma * random.standard_normal(clean.shape)).astype(np.float32)


def timed(denoise, image):
    start = time.perf_counter()
    return denoise(image), time.perf_counter() - start


def ours(sigma):
    restorer = BlockMatchingRestorer(noise_std=float(sigma), data_range=255)
    return lambda image: restorer.fit(image[None]).predict(image[None])[0]


def table(images):
    sums = {}
    for name, clean in images.items():
        row = []
        for sigma in PUBLISHED:
            restored, took = timed(ours(sigma), noisy(clean, sigma, len(row)))
            row.append(psnr(restored, clean))
            row.append(took)
        sums[name] = row
        cells = "  ".join(
            f"{a:6.2f} {b:5.2f} s" for a, b in zip(row[::2], row[1::2], strict=True)
        )
        print(f"{name:10} {'x'.join(map(str, clean.shape)):9} {cells}")
    means = np.mean(list(sums.values()), axis=0)
    cells = "  ".join(
        f"{a:6.2f} {b:5.2f} s" for a, b in zip(means[::2], means[1::2], strict=True)
    )
    print(f"{'mean':20} {cells}")
    cells = "  ".join(f"{value:6.2f}        " for value in PUBLISHED.values())
    print(f"{'published BM3D':20} {cells}")


def race(clean, sigma=25):
    """Time the same image in the same run."""
    from bm3d import bm3d  # noqa: PLC0415

    image = noisy(clean, sigma, 0)
    rivals = {"ours": ours(sigma), "bm3d": lambda image: bm3d(image, sigma)}
    for name, denoise in rivals.items():
        denoise(image[:64, :64])
        rounds = [timed(denoise, image) for _ in range(3)]
        took = min(seconds for _, seconds in rounds)
        print(f"{name:6} {took:6.2f} s  {psnr(rounds[0][0], clean):.2f} dB")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--time", action="store_true", help="race the package bm3d")
    arguments = parser.parse_args()
    paths = sorted(arguments.folder.glob("*.png"))
    images = {path.stem: imageio.imread(path).astype(np.float32) for path in paths}
    if arguments.time:
        race(max(images.values(), key=np.size))
    else:
        print(
            "image      size       " + "   ".join(f"sigma {s:2}    " for s in PUBLISHED)
        )
        table(images)


if __name__ == "__main__":
    main()
