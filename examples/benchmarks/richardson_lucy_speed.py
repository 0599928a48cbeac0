"""Speed and memory of a Richardson-Lucy iteration.

Side by side in one run: an iteration of ours (accelerated, extended borders), the four
real FFTs that it cannot do without, and an iteration of scikit-image.
"""

import time

import numpy as np
import torch
from skimage.restoration import richardson_lucy as skimage_richardson_lucy
from torch.profiler import ProfilerActivity, profile

from skdeconv.operators import Blur
from skdeconv.operators._fourier import fast_shape, fft, ifft
from skdeconv.solvers._richardson_lucy import richardson_lucy


def seconds(call, *args):
    start = time.perf_counter()
    call(*args)
    return time.perf_counter() - start


def per_iteration(call, few, many, rounds=7):
    """Seconds of one iteration, without what a call costs once."""
    short = min(seconds(call, few) for _ in range(rounds))
    long = min(seconds(call, many) for _ in range(rounds))
    return (long - short) / (many - few)


def peak_bytes(call):
    """Most memory that torch held at a time on the CPU during a call."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        call()
    events = [
        (event.start_ns(), event.nbytes())
        for event in profiler.profiler.kineto_results.events()
        if event.name() == "[memory]"
    ]
    return np.cumsum([size for _, size in sorted(events)]).max()


def measure(n, k):
    """Seconds of ours, of four FFTs and of scikit-image, and our memory in images."""
    generator = np.random.default_rng(0)
    image = generator.uniform(0.1, 1, (n, n)).astype(np.float32)
    psf = generator.uniform(size=(k, k)).astype(np.float32)
    psf /= psf.sum()
    y, blur = torch.from_numpy(image)[None, None], Blur(psf, "extended")
    grid = fast_shape(blur.input_shape((n, n)))
    scene = torch.rand(1, 1, *grid)

    def ours(max_iter):
        richardson_lucy(y, blur, max_iter=max_iter)

    def four_ffts(repeats):
        for _ in range(2 * repeats):
            ifft(fft(scene, grid), grid)

    def theirs(max_iter):
        skimage_richardson_lucy(image, psf, num_iter=max_iter)

    extra = peak_bytes(lambda: ours(5)) / image.nbytes - 1  # the output is in the peak
    return (
        per_iteration(ours, 5, 20),
        per_iteration(four_ffts, 5, 20),
        per_iteration(theirs, 2, 8, rounds=3),
        extra,
    )


@torch.inference_mode()
def main():
    print("image psf  ours ms  FFTs ms  skimage ms  ours/FFTs  skimage/ours  memory")
    for n in (512, 1024):
        for k in (15, 21):
            ours, bare, theirs, extra = measure(n, k)
            print(
                f"{n:5d} {k:3d} {1e3 * ours:8.1f} {1e3 * bare:8.1f} "
                f"{1e3 * theirs:11.1f} {ours / bare:10.2f} {theirs / ours:13.1f} "
                f"{extra:7.1f}"
            )


if __name__ == "__main__":
    main()
