"""
A network that fills missing pixels
===================================

A network is shown images of which half of the pixels are missing, and which those are:
``mask=`` of ``fit`` and ``predict``. It learns from pairs; least squares, beside it,
needs none.
"""

import matplotlib.pyplot as plt
import numpy as np

from skdeconv import DeconvRestorer, LeastSquaresRestorer
from skdeconv.datasets import load_photographs

random = np.random.default_rng(0)


def take_pixels_away(images):
    masks = [random.random(image.shape) > 0.5 for image in images]
    return [np.where(m, i, 0) for m, i in zip(masks, images, strict=True)], masks


train = load_photographs("train").images
holes, masks = take_pixels_away(train)
network = DeconvRestorer(
    optimizer="muon",
    max_grad_norm=1.0,
    batch_size=4,
    max_time=100,
    validation_fraction=0,
    random_state=0,
).fit(holes, train, mask=masks)

# %%
# What stands in the place of a missing pixel has no influence on the answer. Here it is
# black.
truth = [image[:160, :160] for image in load_photographs("test").images]
holes, masks = take_pixels_away(truth)
smooth = LeastSquaresRestorer(alpha=1e-3).fit(holes, mask=masks)
print(f"least squares {smooth.score(holes, truth, mask=masks):.2f} dB")
print(f"network       {network.score(holes, truth, mask=masks):.2f} dB")

figure, axes = plt.subplots(1, 4, figsize=(12, 3.4), layout="constrained")
shown = {
    "half of the pixels": holes[1],
    "least squares": smooth.predict(holes, mask=masks)[1],
    "network": network.predict(holes, mask=masks)[1],
    "truth": truth[1],
}
for axis, (title, image) in zip(axes, shown.items(), strict=True):
    axis.imshow(image, cmap="gray", vmin=0, vmax=255)
    axis.set_title(title)
    axis.set_axis_off()
plt.show()
