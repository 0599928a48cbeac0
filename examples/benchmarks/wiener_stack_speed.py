"""A stack of images through the periodic Wiener filter, against a loop.

Side by side in one run: 64 images of 256 x 256 pixels in one call of ours, and one by
one through scikit-image.
"""

import time

import numpy as np
import torch
from skimage.restoration import wiener as skimage_wiener

from skdeconv.operators import Blur
from skdeconv.solvers._wiener import wiener


def seconds(call, repeats=5):
    """Shortest of a few runs."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


@torch.inference_mode()
def main():
    generator = np.random.default_rng(0)
    stack = generator.random((64, 256, 256), dtype=np.float32)
    psf = generator.random((15, 15), dtype=np.float32)
    psf /= psf.sum()
    y, blur = torch.from_numpy(stack)[:, None], Blur(psf, "periodic")
    ours = seconds(lambda: wiener(y, blur, alpha=1e-2))
    theirs = seconds(
        lambda: [skimage_wiener(image, psf, 1e-2, clip=False) for image in stack], 3
    )
    print(f"ours {1e3 * ours:.1f} ms  skimage {1e3 * theirs:.1f} ms")
    print(f"skimage/ours {theirs / ours:.1f}")


if __name__ == "__main__":
    main()
