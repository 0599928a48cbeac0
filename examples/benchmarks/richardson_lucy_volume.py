"""Richardson-Lucy on a volume of 256^3 voxels, against its FFTs and its peers.

    python richardson_lucy_volume.py [PYTHON_WITH_REDLIONFISH]

Side by side in one run, per iteration: ours, the four real FFTs of ``torch.fft`` of the
same size that it replaces, scikit-image and, where an interpreter that has it is given,
RedLionfish on the CPU (which wants its own environment). Then the memory beyond the
input in volumes, the answer among them, as the growth of the resident memory of a fresh
process, so that it counts what torch, SciPy and NumPy take. First, how many iterations
reach the likelihood of 100 plain ones, on 96^3 voxels of counts.
"""

import json
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import torch
from skimage.restoration import richardson_lucy as skimage_richardson_lucy

from skdeconv import RichardsonLucyRestorer
from skdeconv.benchmark._memory import PeakMemory
from skdeconv.operators import Blur, gaussian_psf
from skdeconv.operators._fourier import fast_shape
from skdeconv.solvers._richardson_lucy import scenes

SIDE = 256
THEIR_SCRIPT = """
import json, sys, time
import numpy as np
import RedLionfishDeconv
volume = np.random.default_rng(0).random(({n},) * 3, dtype=np.float32)
psf = np.array(json.loads(sys.stdin.read()), dtype=np.float32)
took = []
for count in (1, 2, 8):  # the first warms up
    start = time.perf_counter()
    RedLionfishDeconv.doRLDeconvolutionFromNpArrays(
        volume, psf, niter=count, method="cpu"
    )
    took.append(time.perf_counter() - start)
print("seconds", (took[2] - took[1]) / 6)
"""


def make_psf():
    """A Gaussian of standard deviations 2.5, 1.5 and 1.5 voxels."""
    thin, wide = gaussian_psf(1.5), gaussian_psf(2.5).sum(1)
    return wide[:, None, None] * thin


def make_volume(side):
    return np.random.default_rng(0).random((side,) * 3, dtype=np.float32)


def seconds(call, *args):
    start = time.perf_counter()
    call(*args)
    return time.perf_counter() - start


def ours(boundary, count=10):
    """Fastest of some iterations after the first two."""
    y = torch.from_numpy(make_volume(SIDE))[None, None]
    steps = scenes(y, Blur(make_psf(), boundary))
    return min([seconds(next, steps) for _ in range(count)][2:])


def four_ffts(boundary):
    shape = (SIDE,) * 3
    if boundary == "extended":
        shape = fast_shape(Blur(make_psf(), boundary).input_shape(shape))
    scene, axes = torch.rand(shape), (0, 1, 2)

    def pair():
        torch.fft.irfftn(torch.fft.rfftn(scene, dim=axes), s=shape, dim=axes)

    return 2 * min(seconds(pair) for _ in range(6))


def scikit_image():
    volume, psf = make_volume(SIDE), make_psf().astype(np.float32)
    _, few, many = (  # the first warms up
        seconds(lambda n=count: skimage_richardson_lucy(volume, psf, num_iter=n))
        for count in (1, 1, 5)
    )
    return (many - few) / 4


def redlionfish(python):
    run = subprocess.run(
        [python, "-c", THEIR_SCRIPT.replace("{n}", str(SIDE))],
        input=json.dumps(make_psf().tolist()),
        capture_output=True,
        text=True,
        check=True,
    )
    return float(run.stdout.rsplit("seconds", 1)[1])


def extra_volumes(boundary, max_iter):
    """Growth of this process's memory in fit and predict at most, in volumes."""
    volume = make_volume(SIDE)
    restorer = RichardsonLucyRestorer(
        make_psf(), max_iter=max_iter, boundary=boundary, data_range=1.0
    )
    small = volume[:40, :40, :40][None]
    restorer.fit(small).predict(small)  # what is loaded on first use
    with PeakMemory() as peak:
        restorer.fit(small).predict(volume[None])
    return 2**20 * peak.mebibytes / volume.nbytes


def in_fresh_process(function, *args):
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *args).result()


def iterations_to(side=96):
    """Accelerated iterations to the likelihood of 100 plain ones."""
    generator = np.random.default_rng(0)
    scene = np.full((side,) * 3, 5.0)
    for corner in generator.integers(0, side - 12, (60, 3)):
        size = generator.integers(1, 12, 3)
        where = tuple(slice(a, a + n) for a, n in zip(corner, size, strict=True))
        scene[where] += generator.uniform(20, 200)
    blur = Blur(make_psf(), "periodic")
    blurred = blur(torch.from_numpy(scene)[None, None])
    y = torch.from_numpy(generator.poisson(blurred.numpy())).float()

    def likelihood(x):
        model = blur(x)
        return float((torch.xlogy(y, model) - model).double().sum())

    plain, fast = scenes(y, blur, acceleration=False), scenes(y, blur)
    for _ in range(100):
        goal = next(plain)
    goal = likelihood(goal)
    count = 1
    while likelihood(next(fast)) < goal:
        count += 1
    return count


@torch.inference_mode()
def main(python=None):
    theirs = {"scikit-image": scikit_image()}
    if python:
        theirs["RedLionfish"] = redlionfish(python)
    for name, took in theirs.items():
        print(f"{name}: {took:.2f} s per iteration")
    count = iterations_to()
    print(f"{count} accelerated iterations reach the likelihood of 100 plain ones")
    for boundary in ("periodic", "extended"):
        took, bare = ours(boundary), four_ffts(boundary)
        memory = {
            max_iter: in_fresh_process(extra_volumes, boundary, max_iter)
            for max_iter in (5, "auto")
        }
        print(
            f"{boundary}: {took:.3f} s per iteration, FFTs {bare:.3f} s, "
            f"ratio {took / bare:.2f}; volumes of memory beyond the input: "
            + ", ".join(f"max_iter={k!r} {v:.1f}" for k, v in memory.items())
        )
        for name, other in theirs.items():
            print(
                f"    {other / took:.1f} times faster per iteration than {name}, "
                f"{100 * other / (count * took):.0f} times to its likelihood after 100"
            )


if __name__ == "__main__":
    main(*sys.argv[1:])
