"""
Missing and coarse pixels
=========================

Pixels that are dead, saturated or were never measured are given the weight 0 by
``mask=``. What else a camera did to the image is an operator: ``operator=`` undoes it,
here pixels that are too coarse.
"""

import matplotlib.pyplot as plt
import numpy as np

from skdeconv import (
    Degradation,
    LeastSquaresRestorer,
    SparseCodingRestorer,
    TotalVariationRestorer,
)
from skdeconv.datasets import load_photographs
from skdeconv.degradations import GaussianNoise
from skdeconv.metrics import psnr
from skdeconv.operators import Downsample

clean = load_photographs("test").images[1][None, 60:204, 160:304].astype(float)


def show(shown):
    _, axes = plt.subplots(1, len(shown), figsize=(12, 3.2), layout="constrained")
    for axis, (title, images) in zip(axes, shown.items(), strict=True):
        axis.imshow(images[0], cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        if images.shape == truth.shape and title != "truth":
            title += f", {psnr(truth, images, data_range=255):.1f} dB"
        axis.set_title(title, fontsize=10)
        axis.set_axis_off()
    plt.show()


# %%
# Missing pixels
# --------------
# Two thirds of the pixels are missing. What stands in their place has no influence on
# the answer; here it is white. Least squares makes up something smooth, total variation
# something flat with sharp edges. Without noise, hardly any smoothing is needed; left
# to itself, ``alpha`` would be cross-validated, which takes a while.
truth = clean
seen = np.random.default_rng(0).random(clean.shape) > 2 / 3
holed = np.where(seen, clean, 255)

restorers = {
    "least squares": LeastSquaresRestorer(alpha=1e-3, data_range=255),
    "total variation": TotalVariationRestorer(alpha=1e-3, data_range=255),
}
shown = {"a third of the pixels": holed}
for name, restorer in restorers.items():
    restorer.fit(holed, mask=seen)
    shown[name] = restorer.predict(holed, mask=seen)
show(shown | {"truth": truth})

# %%
# Coarse pixels
# -------------
# The image was made three times coarser, and a little noisy. The answer of a restorer
# with an ``operator`` has the shape of the images that the operator takes.
shrink = Downsample(3)
degrade = Degradation([shrink, GaussianNoise(1)], random_state=0)
coarse, truth = degrade.pair(clean)

restorers = {
    "least squares": LeastSquaresRestorer(operator=shrink, data_range=255),
    "total variation": TotalVariationRestorer(
        operator=shrink, alpha=1e-3, data_range=255
    ),
    "sparse coding": SparseCodingRestorer(operator=shrink, data_range=255),
}
shown = {"observed": coarse.repeat(3, axis=1).repeat(3, axis=2)}
for name, restorer in restorers.items():
    shown[name] = restorer.fit(coarse).predict(coarse)
    print(name, coarse.shape, "->", shown[name].shape)
show(shown | {"truth": truth})

# %%
# Both at once
# ------------
# A camera with coarse pixels, some of which are dead: the mask belongs to what was
# observed, and has its shape.
alive = np.random.default_rng(1).random(coarse.shape) > 0.1
broken = np.where(alive, coarse, 255)
restorer = LeastSquaresRestorer(operator=shrink, alpha=1e-3, data_range=255)
restored = restorer.fit(broken, mask=alive).predict(broken, mask=alive)
show({"coarse, with dead pixels": broken, "least squares": restored, "truth": truth})
