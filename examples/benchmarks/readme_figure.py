"""Draw the README's picture: a real photograph blurred by motion, and restored.

python examples/benchmarks/readme_figure.py docs/images/restoration.png
"""

import sys

import matplotlib.pyplot as plt
import numpy as np

from skdeconv import (
    DeconvRestorer,
    Degradation,
    RichardsonLucyRestorer,
    SparseCodingRestorer,
    WienerRestorer,
)
from skdeconv.benchmark import default_restorers, default_training_images
from skdeconv.datasets import load_photographs
from skdeconv.degradations import GaussianNoise
from skdeconv.metrics import psnr
from skdeconv.operators import Blur, motion_psf

psf = motion_psf(11, angle=30)
degrade = Degradation([Blur(psf), GaussianNoise(2.55)], random_state=0)
photograph = (
    load_photographs("test").images[1][None, 60:320, 120:380].astype(np.float32)
)
observed, truth = degrade.pair(photograph)

network: DeconvRestorer = default_restorers()["DeconvRestorer"][0]
network.set_params(
    degradation=Degradation(degrade.steps), data_range=255, random_state=0, verbose=1
).fit(default_training_images())

options = {"data_range": 255}
restorers = {
    "Wiener": WienerRestorer(psf, alpha=3e-3, **options).fit(observed),
    "Richardson-Lucy": RichardsonLucyRestorer(psf, max_iter=12, **options).fit(
        observed
    ),
    "sparse coding": SparseCodingRestorer(psf, **options).fit(observed),
    "network": network,
}
shown = {"observed": observed}
shown |= {name: restorer.predict(observed) for name, restorer in restorers.items()}
shown["truth"] = truth

figure, axes = plt.subplots(1, len(shown), figsize=(15, 3), layout="constrained")
for axis, (name, images) in zip(axes, shown.items(), strict=True):
    score = psnr(truth, images.clip(0, 255), data_range=255)
    axis.imshow(images[0][40:210, 40:210], cmap="gray", vmin=0, vmax=255)
    axis.set_title(name if name == "truth" else f"{name}, {score:.1f} dB", fontsize=11)
    axis.set_axis_off()
figure.savefig(sys.argv[1], dpi=100)
