"""Time of an iteration of Richardson-Lucy over the number of pixels.

    python richardson_lucy_scaling.py FIGURE.png

Five sizes of images and of volumes, beside n log n through the largest.
"""

import sys
import time

import matplotlib as mpl
import numpy as np
import torch

from skdeconv.operators import Blur, gaussian_psf
from skdeconv.solvers._richardson_lucy import scenes

SIDES = {2: (256, 512, 1024, 2048, 4096), 3: (32, 64, 96, 160, 256)}


def per_iteration(shape):
    psf = gaussian_psf(1.5)
    if len(shape) == 3:
        psf = psf.sum(1)[:, None, None] * psf
    steps = scenes(torch.rand(1, 1, *shape) + 0.1, Blur(psf, "periodic"))
    next(steps), next(steps)
    took = []
    while len(took) < 5 or (sum(took) < 0.3 and len(took) < 100):
        start = time.perf_counter()
        next(steps)
        took.append(time.perf_counter() - start)
    return min(took)


@torch.inference_mode()
def main(path):
    mpl.use("Agg")
    import matplotlib.pyplot as plt  # noqa: PLC0415 - after the choice of backend

    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    for ndim, sides in SIDES.items():
        n = np.array([side**ndim for side in sides], dtype=float)
        took = np.array([per_iteration((side,) * ndim) for side in sides])
        law = took[-1] * n * np.log(n) / (n[-1] * np.log(n[-1]))
        (line,) = axes.loglog(n, took, "o-", label=f"{ndim}-D")
        axes.loglog(n, law, "--", color=line.get_color(), label="n log n")
        for side, seconds, ratio in zip(sides, took, took / law, strict=True):
            print(f"{side}^{ndim}: {1e3 * seconds:9.3f} ms, {ratio:.2f} of n log n")
    axes.set(xlabel="pixels", ylabel="seconds per iteration")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main(*sys.argv[1:])
