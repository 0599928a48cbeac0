"""Speed and memory of Richardson-Lucy.

Side by side in one run: an iteration of ours (accelerated, extended borders), the four
real FFTs that it cannot do without, and an iteration of scikit-image; then the time to
the likelihood of 100 plain iterations.
"""

import time

import numpy as np
import torch
from skimage.restoration import richardson_lucy as skimage_richardson_lucy
from torch.profiler import ProfilerActivity, profile

from skdeconv import RichardsonLucyRestorer
from skdeconv.datasets import load_photographs
from skdeconv.degradations import Degradation, PoissonNoise
from skdeconv.operators import Blur, gaussian_psf
from skdeconv.operators._fourier import fast_shape, fft, ifft


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
    grid = fast_shape(Blur(psf, "extended").input_shape((n, n)))
    scene = torch.rand(1, 1, *grid)

    def ours(max_iter):
        restorer = RichardsonLucyRestorer(psf, max_iter=max_iter, data_range=1.0)
        restorer.fit(image[None]).predict(image[None])

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


def likelihood(observed, restored, psf):
    """Poisson log-likelihood inside the borders, up to a constant."""
    model = Blur(psf, "extended")(torch.from_numpy(restored)[:, None].double())[:, 0]
    inside = tuple(
        slice(k // 2, n - k // 2)
        for n, k in zip(observed.shape[1:], psf.shape, strict=True)
    )
    data = torch.from_numpy(observed).double()[(slice(None), *inside)]
    model = model.clamp_min(1e-9)
    return float((data * model.log() - model).mean())


def race():
    """Seconds and likelihood of 100 plain iterations, and of 25 accelerated ones."""
    psf = gaussian_psf(2)
    degrade = Degradation([Blur(psf), PoissonNoise(1.0)], random_state=0)
    photograph = load_photographs("test").images[1][None].astype(np.float32)
    observed, _ = degrade.pair(photograph)
    cases = {
        "plain, 100": RichardsonLucyRestorer(psf, max_iter=100, acceleration=False),
        "accelerated, 25": RichardsonLucyRestorer(psf, max_iter=25),
    }
    for name, restorer in cases.items():
        restorer.set_params(data_range=255).fit(observed)
        restored = restorer.predict(observed)
        took = min(seconds(restorer.predict, observed) for _ in range(3))
        score = likelihood(observed, restored, psf)
        print(f"{name:16} {took:6.3f} s  log-likelihood per pixel {score:.6f}")
    psf = psf.astype(np.float32)
    took = min(
        seconds(lambda: skimage_richardson_lucy(observed[0] / 255, psf, num_iter=100))
        for _ in range(2)
    )
    print(f"{'skimage, 100':16} {took:6.3f} s  (other borders)")


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
    race()


if __name__ == "__main__":
    main()
