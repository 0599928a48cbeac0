"""
Blocks of a JPEG file
=====================

Compression leaves blocks and ripples. A network learns to take them away from clean
images alone: every patch is compressed afresh, to a quality of its own.
"""

import matplotlib.pyplot as plt

from skdeconv import DeconvRestorer, Degradation
from skdeconv.datasets import load_photographs
from skdeconv.degradations import JPEGCompression
from skdeconv.metrics import psnr

train = [image.astype(float) for image in load_photographs("train").images]
network = DeconvRestorer(
    degradation=Degradation([JPEGCompression((8, 40), data_range=255)]),
    optimizer="muon",
    max_grad_norm=1.0,
    batch_size=4,
    max_time=60,
    validation_fraction=0,
    data_range=255,
    random_state=0,
).fit(train)

# %%
# One network serves all qualities in between.
truth = [image[:160, :160].astype(float) for image in load_photographs("test").images]
for quality in (10, 20, 40):
    compress = Degradation([JPEGCompression(quality, data_range=255)])
    observed = compress.fit_transform(truth)
    before = sum(
        psnr(t[None], x[None], data_range=255)
        for t, x in zip(truth, observed, strict=True)
    ) / len(truth)
    after = network.score(observed, truth)
    print(f"quality {quality}: compressed {before:.2f} dB, restored {after:.2f} dB")

# %%
# At the lowest quality, enlarged:
compress = Degradation([JPEGCompression(10, data_range=255)])
observed = compress.fit_transform(truth)
shown = {
    "quality 10": observed[0],
    "restored": network.predict(observed)[0],
    "truth": truth[0],
}
figure, axes = plt.subplots(1, 3, figsize=(10, 3.6), layout="constrained")
for axis, (title, image) in zip(axes, shown.items(), strict=True):
    axis.imshow(image[30:110, 30:110], cmap="gray", vmin=0, vmax=255)
    axis.set_title(title)
    axis.set_axis_off()
plt.show()
