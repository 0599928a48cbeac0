"""
Quick start
===========

A blurred and noisy photograph, restored without and with training.
"""

import matplotlib.pyplot as plt

from skdeconv import Degradation, RichardsonLucyRestorer, WienerRestorer
from skdeconv.datasets import load_photographs
from skdeconv.degradations import GaussianNoise
from skdeconv.metrics import psnr
from skdeconv.operators import Blur, disk_psf

# %%
# A degradation is what the camera did: here a lens out of focus, and noise. ``pair``
# returns what was observed and the truth, cropped so that the borders are real.
photographs = load_photographs("test")
psf = disk_psf(3)
degrade = Degradation([Blur(psf), GaussianNoise(2)], random_state=0)
observed, truth = degrade.pair(photographs.images[:2])

# %%
# Restorers are scikit-learn estimators. Classical ones need no truth: how much to
# smooth, or when to stop, they find out from the noise of each image. Noise turned the
# images to floats, so that their range must be named.
restorers = {
    "Wiener": WienerRestorer(psf, data_range=255),
    "Richardson-Lucy": RichardsonLucyRestorer(psf, data_range=255),
}
restored = {name: r.fit(observed).predict(observed) for name, r in restorers.items()}

# %%
# The score is the mean PSNR in decibels.
print(f"observed         {psnr(truth, observed, data_range=255):.2f} dB")
for name, images in restored.items():
    print(f"{name:16} {psnr(truth, images, data_range=255):.2f} dB")

# %%
# One of the photographs, seen closely.
shown = {"observed": observed, **restored, "truth": truth}
figure, axes = plt.subplots(1, len(shown), figsize=(12, 3.4), layout="constrained")
for axis, (name, images) in zip(axes, shown.items(), strict=True):
    crop = images[1][60:240, 140:320]
    axis.imshow(crop, cmap="gray", vmin=0, vmax=255)
    axis.set_title(name)
    axis.set_axis_off()
plt.show()
