"""
A network that repairs what Wiener leaves
=========================================

Physics first, learning second: the Wiener filter undoes the blur it knows, and a small
network in the same ``Pipeline`` removes the noise that the filter amplified.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.pipeline import make_pipeline

from skdeconv import DeconvRestorer, Degradation, WienerRestorer
from skdeconv.datasets import load_photographs, make_dead_leaves
from skdeconv.degradations import GaussianNoise
from skdeconv.metrics import psnr
from skdeconv.operators import Blur, motion_psf

psf = motion_psf(15, angle=30)
degrade = Degradation([Blur(psf), GaussianNoise(2.55)], random_state=0)
photographs = load_photographs("train").images
training = [np.asarray(image[:256, :256], np.float32) for image in photographs]
training += list(255 * make_dead_leaves(6, shape=(192, 192), random_state=0))
observed, truth = degrade.pair(training)
test = [
    image[100:300, 100:300].astype(np.float32)
    for image in load_photographs("test").images
]
observed_test, truth_test = degrade.pair(test)

# %%
# The blur has a direction, and so have the artefacts of the filter: the pairs must not
# be turned, hence ``augment=False``. The filter smooths less than it would choose to,
# so that the network finds more of the details, and of the noise.
network = DeconvRestorer(
    module__width=24,
    criterion="l1",
    max_epochs=1,
    patches_per_epoch=4 * 400,
    batch_size=4,
    lr=4e-3,
    optimizer__betas=(0.9, 0.99),
    augment=False,
    random_state=0,
)
both = make_pipeline(WienerRestorer(psf, alpha=2e-3, data_range=255), network)
both.set_params(deconvrestorer__data_range=255).fit(observed, truth)

# %%
wiener = WienerRestorer(psf, data_range=255).fit(observed, truth)
print(f"alpha of the filter alone: {wiener.alpha_:.1g}, in the pipeline: 0.002")
shown = {
    "observed": observed_test,
    "Wiener": wiener.predict(observed_test),
    "Wiener, then network": both.predict(observed_test),
    "truth": truth_test,
}
for name, images in list(shown.items())[:-1]:
    print(f"{name:21} {psnr(truth_test, images, data_range=255):.2f} dB")

# %%
figure, axes = plt.subplots(1, len(shown), figsize=(12, 3.4), layout="constrained")
for axis, (name, images) in zip(axes, shown.items(), strict=True):
    axis.imshow(images[1], cmap="gray", vmin=0, vmax=255)
    axis.set_title(name)
    axis.set_axis_off()
plt.show()
