"""
Blur and noise at once
======================

A network that is shown blurred and noisy patches learns to undo both at once, for this
blur and these noise levels. The Wiener filter knows the blur, estimates the noise, and
needs no training.
"""

import matplotlib.pyplot as plt

from skdeconv import DeconvRestorer, Degradation, WienerRestorer
from skdeconv.datasets import load_photographs
from skdeconv.degradations import GaussianNoise
from skdeconv.operators import Blur, motion_psf

psf = motion_psf(9, angle=30)
degrade = Degradation([Blur(psf), GaussianNoise((2.0, 8.0))], random_state=0)

train = [image.astype(float) for image in load_photographs("train").images]
network = DeconvRestorer(
    degradation=degrade,
    optimizer="muon",
    max_grad_norm=1.0,
    batch_size=4,
    max_time=60,
    validation_fraction=0,
    data_range=255,
    random_state=0,
).fit(train)

# %%
# ``pair`` crops what a border touched.
clean = [image[:160, :160].astype(float) for image in load_photographs("test").images]
observed, truth = degrade.pair(clean)
wiener = WienerRestorer(psf, data_range=255).fit(observed)
print(f"Wiener  {wiener.score(observed, truth):.2f} dB")
print(f"network {network.score(observed, truth):.2f} dB")

shown = {
    "observed": observed[0],
    "Wiener": wiener.predict(observed)[0],
    "network": network.predict(observed)[0],
    "truth": truth[0],
}
figure, axes = plt.subplots(1, 4, figsize=(12, 3.4), layout="constrained")
for axis, (title, image) in zip(axes, shown.items(), strict=True):
    axis.imshow(image, cmap="gray", vmin=0, vmax=255)
    axis.set_title(title)
    axis.set_axis_off()
plt.show()
