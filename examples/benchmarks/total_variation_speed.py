"""Total variation denoising against scikit-image: time to the same objective.

Side by side in one run, on a 512 x 512 photograph and on a stack of 32 tiles of it:
scikit-image at a number of iterations, and ours to the objective reached there.
"""

import time

import numpy as np
import torch
from skimage.data import camera
from skimage.restoration import denoise_tv_chambolle

from skdeconv.solvers import total_variation


def seconds(call, repeats=5):
    """Shortest of a few runs."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def objective(x, y, alpha):
    """Half the squared misfit and the isotropic total variation, in float64."""
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    slopes = [np.diff(x, axis=a, append=x.take([-1], a)) for a in (-2, -1)]
    return ((x - y) ** 2).sum() / 2 + alpha * np.hypot(*slopes).sum()


def ours(stack, alpha, tol):
    y = torch.from_numpy(stack)[:, None]
    return total_variation(y, alpha=alpha, tol=tol, max_iter=2000).x[:, 0].numpy()


def theirs(stack, alpha, **options):
    return np.stack([denoise_tv_chambolle(y, alpha, **options) for y in stack])


def main():
    photograph = camera().astype(np.float32) / 255
    tiles = photograph.reshape(4, 128, 4, 128).swapaxes(1, 2).reshape(16, 128, 128)
    noise = np.random.default_rng(0)
    for name, clean in (
        ("512x512", photograph[None]),
        ("32x128x128", np.concatenate([tiles, tiles])),
    ):
        for sigma, alpha in ((5, 2.5), (25, 20), (50, 50)):
            stack = clean + noise.normal(0, sigma / 255, clean.shape)
            stack, alpha = stack.astype(np.float32), alpha / 255
            for label, options in (
                ("default", {}),
                ("200 its", {"eps": 0, "max_num_iter": 200}),
            ):
                goal = objective(theirs(stack, alpha, **options), stack, alpha)
                tol = 0.1  # the loosest that reaches the goal
                while objective(ours(stack, alpha, tol), stack, alpha) > goal:
                    tol /= 1.25
                slow = seconds(lambda s=stack, a=alpha, o=options: theirs(s, a, **o), 3)
                fast = seconds(lambda s=stack, a=alpha, t=tol: ours(s, a, t))
                default = seconds(lambda s=stack, a=alpha: ours(s, a, 2e-3))
                print(
                    f"{name:10} sigma {sigma:2}  skimage {label} {1e3 * slow:6.0f} ms  "
                    f"ours to that objective (tol {tol:.0e}) {1e3 * fast:6.0f} ms  "
                    f"ratio {slow / fast:4.1f}  ours by default {1e3 * default:.0f} ms"
                )


if __name__ == "__main__":
    main()
