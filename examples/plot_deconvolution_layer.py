"""
What a deconvolution layer computes
===================================

The layer that networks call "deconvolution" is a *transposed convolution*. Here it is
taken apart: as zeros put between pixels, as the adjoint of a convolution, its sizes,
the checkerboards it can draw, and why it does not undo a blur. The formulas are in
:doc:`/deconvolution_layer`.
"""

import inspect

import matplotlib.pyplot as plt
import numpy as np
import torch
from tabulate import tabulate
from torch import nn
from torch.nn import functional

from skdeconv import DeconvRestorer, Degradation, WienerRestorer, networks
from skdeconv.datasets import load_photographs
from skdeconv.degradations import GaussianNoise
from skdeconv.metrics import psnr
from skdeconv.networks import (
    conv_transpose_same,
    conv_transpose_size,
    network_summary,
)
from skdeconv.operators import Blur, gaussian_psf

generator = torch.Generator().manual_seed(0)


def draw(*shape):
    return torch.randn(shape, generator=generator, dtype=torch.float64)


# %%
# Zeros between the pixels, then a convolution
# --------------------------------------------
# Each pixel of the input puts a copy of the kernel, times its value, into the output,
# two pixels further on than the last (stride 2). The same comes out when zeros are put
# between the pixels and the result is convolved. What torch calls convolution does not
# flip the kernel; so it is flipped here.
x, kernel = torch.tensor([1.0, 2.0, -1.0, 1.5, 0.5]), torch.tensor([0.25, 1.0, 0.6])
layer = functional.conv_transpose1d(x[None, None], kernel[None, None], stride=2)[0, 0]

spread = torch.zeros(2 * len(x) - 1)
spread[::2] = x
padded = functional.pad(spread, (2, 2))
by_hand = functional.conv1d(padded[None, None], kernel.flip(0)[None, None])[0, 0]
print(f"largest difference: {float((layer - by_hand).abs().max()):.1e}")

figure, axes = plt.subplots(1, 3, figsize=(10, 2.8), layout="constrained")
axes[0].stem(x.numpy(), basefmt="k-")
axes[0].set_title("input")
axes[1].stem(spread.numpy(), basefmt="k-")
axes[1].set_title("zeros inserted")
copies = [
    np.pad(float(value) * kernel.numpy(), (2 * i, 2 * (len(x) - 1 - i)))
    for i, value in enumerate(x)
]
for i, copy in enumerate(copies):
    at = np.arange(2 * i, 2 * i + 3)
    axes[2].plot(at, copy[at], "o-", alpha=0.5)
axes[2].stem(layer.numpy(), linefmt="k-", markerfmt="kx", basefmt="k-")
axes[2].set_title("scaled kernels, and their sum")
plt.show()

# %%
# For images, and all settings: :math:`d(k - 1) - p` zeros around the image, and ``o``
# more at its end.
for kernel_size, stride, padding, more, dilation in [
    (3, 2, 1, 1, 1),
    (4, 2, 1, 0, 1),
    (2, 2, 0, 0, 1),
    (5, 3, 2, 2, 1),
    (3, 2, 1, 0, 2),
]:
    image, weight = draw(1, 4, 9, 11), draw(4, 3, kernel_size, kernel_size)
    layer = functional.conv_transpose2d(
        image,
        weight,
        stride=stride,
        padding=padding,
        output_padding=more,
        dilation=dilation,
    )
    spread = image.new_zeros(1, 4, *((n - 1) * stride + 1 for n in (9, 11)))
    spread[..., ::stride, ::stride] = image
    start = dilation * (kernel_size - 1) - padding
    padded = functional.pad(spread, (start, start + more) * 2)
    flipped = weight.flip(2, 3).transpose(0, 1)
    by_hand = functional.conv2d(padded, flipped, dilation=dilation)
    difference = float((layer - by_hand).abs().max())
    print(f"kernel {kernel_size}, stride {stride}: differs by {difference:.0e}")

# %%
# The adjoint of a convolution
# ----------------------------
# With the same weight, stride and padding, ``conv2d`` is C and ``conv_transpose2d`` its
# adjoint: both inner products agree. It is also what backpropagation through a
# convolution computes.
weight, image, features = draw(8, 3, 3, 3), draw(1, 3, 32, 48), draw(1, 8, 16, 24)
seen = functional.conv2d(image, weight, stride=2, padding=1)
back = functional.conv_transpose2d(
    features, weight, stride=2, padding=1, output_padding=1
)
print(f"<C image, features>  = {float((seen * features).sum()):.10f}")
print(f"<image, C* features> = {float((image * back).sum()):.10f}")

# %%
# Sizes
# -----
# What 16 pixels become in torch, and with TensorFlow's ``padding="same"``, which
# :func:`~skdeconv.networks.conv_transpose_same` gives in torch.
rows = []
for kernel_size, stride, padding, more in [
    (3, 2, 0, 0),
    (3, 2, 1, 0),
    (3, 2, 1, 1),
    (4, 2, 1, 0),
    (2, 2, 0, 0),
    (9, 3, 3, 0),
    (2, 3, 0, 1),
]:
    length = conv_transpose_size(16, kernel_size, stride, padding, more)
    same = conv_transpose_same(1, 1, kernel_size, stride, ndim=1)(torch.zeros(1, 1, 16))
    rows.append((kernel_size, stride, padding, more, length, same.shape[-1]))
headers = ("kernel", "stride", "padding", "output_padding", "torch", "same")
print(tabulate(rows, headers))

# %%
# Checkerboards
# -------------
# Where the stride does not divide the kernel, some pixels of the output get more copies
# than others. Here a constant image passes through 10000 layers with random weights;
# the spread of their answers goes with the square root of the number of copies. Kernel
# 3 at stride 2 draws a checkerboard, kernels 4 and 2 do not.
figure, axes = plt.subplots(1, 3, figsize=(10, 3.6), layout="constrained")
for axis, kernel_size in zip(axes, (3, 4, 2), strict=True):
    weights = draw(1, 10000, kernel_size, kernel_size)
    answers = functional.conv_transpose2d(
        torch.ones(1, 1, 10, 10).double(), weights, stride=2
    )
    answers = answers[..., 4:16, 4:16].square().mean((0, 1)).sqrt().numpy()
    axis.imshow(answers, cmap="gray", vmin=0, vmax=2.5)
    phases = answers.reshape(6, 2, 6, 2).mean((0, 2)).flatten().tolist()
    axis.set_title(
        f"kernel {kernel_size}, stride 2:\n" + ", ".join(f"{p:.2f}" for p in phases)
    )
    axis.set_axis_off()
plt.show()

# %%
# The article's layers have kernel 3, those of the default network kernel 2, and every
# pixel of their output gets exactly one copy.
for network in (networks.ConvTransposeNet(1, 1), networks.UNet(1, 1)):
    for layer in network.modules():
        if isinstance(layer, nn.ConvTranspose2d):
            ones = torch.ones(1, 1, 12, 12)
            kernel = torch.ones(1, 1, *layer.kernel_size)
            copies = functional.conv_transpose2d(ones, kernel, stride=layer.stride)
            counts = sorted({int(n) for n in copies[..., 6:-6, 6:-6].flatten()})
            print(f"{type(network).__name__}: copies per pixel {counts}")

# %%
# An even overlap is not all: as long as the weights are random, neighbouring pixels
# have weights of their own, and a flat image comes out with a pattern in any network.
# Training evens it out. The standard deviation of the pattern over flat images, in
# percent of the range, before and after a short training on noisy photographs:
clean = [
    np.asarray(image[:256, :256], np.float32) / 255
    for image in load_photographs("train").images
]
noise = Degradation([GaussianNoise(0.1)])
flat = np.broadcast_to(np.linspace(0.1, 0.9, 9, dtype=np.float32), (64, 64, 9)).T


def pattern(restorer):
    answers = restorer.predict(flat)[:, 16:48, 16:48]
    periods = answers.reshape(9, 8, 4, 8, 4).mean((1, 3))
    return 100 * np.sqrt(periods.var((1, 2)).mean())


for name, options in {"conv_transpose": {}, "unet": {"module__width": 16}}.items():
    restorer = DeconvRestorer(
        name,
        degradation=noise,
        lr_schedule="constant",
        max_epochs=1,
        patch_size=32,
        random_state=0,
        validation_fraction=0,
        data_range=1,
        **options,
    )
    before = pattern(restorer.set_params(patches_per_epoch=1).fit(clean))
    after = pattern(restorer.set_params(patches_per_epoch=16 * 200).fit(clean))
    print(f"{name}: {before:.1f} % before, {after:.1f} % after training")

# %%
# Not the inverse of a blur
# -------------------------
# With the point spread function as its kernel, the layer is the adjoint of the blur: it
# blurs once more. Deconvolution in the older sense of the word undoes the blur, as far
# as noise allows.
psf = gaussian_psf(2.0)
degrade = Degradation([Blur(psf), GaussianNoise(0.01)], random_state=0)
camera = load_photographs("test").images[1]
blurred, truth = degrade.pair(
    np.asarray(camera, np.float32)[None, 40:340, 100:400] / 255
)

kernel = torch.as_tensor(psf, dtype=torch.float32)[None, None]
again = functional.conv_transpose2d(
    torch.as_tensor(blurred)[:, None], kernel, padding=len(psf) // 2
)[:, 0].numpy()
restored = WienerRestorer(psf, data_range=1).fit(blurred).predict(blurred)

shown = {
    "blurred": blurred,
    "transposed convolution": again,
    "Wiener deconvolution": restored,
    "truth": truth,
}
margin = len(psf) // 2  # the layer takes the outside for black
inside = (slice(None), slice(margin, -margin), slice(margin, -margin))
figure, axes = plt.subplots(1, 4, figsize=(12, 3.5), layout="constrained")
for axis, (name, images) in zip(axes, shown.items(), strict=True):
    axis.imshow(images[inside][0], cmap="gray", vmin=0, vmax=1)
    quality = psnr(truth[inside], images[inside], data_range=1)
    axis.set_title(name if images is truth else f"{name}\n{quality:.2f} dB")
    axis.set_axis_off()
plt.show()

# %%
# The networks
# ------------
# What each costs in its default size, on colour images; multiply-adds per input pixel.
summaries = {
    name: network_summary(value, in_channels=3)
    for name, value in vars(networks).items()
    if inspect.isclass(value) and issubclass(value, nn.Module)
}
summaries = dict(sorted(summaries.items(), key=lambda item: item[1].parameters))
rows = [
    (
        name,
        f"{summary.parameters:,}",
        f"{summary.multiply_adds:,.0f}",
        summary.receptive_field or "> 512",
    )
    for name, summary in summaries.items()
]
headers = ("network", "parameters", "multiply-adds / pixel", "receptive field")
print(tabulate(rows, headers, disable_numparse=True, colalign=("left", *["right"] * 3)))

# %%
figure, axes = plt.subplots(1, 2, figsize=(9, 2.8), sharey=True, layout="constrained")
for axis, what in zip(axes, ("parameters", "multiply_adds"), strict=True):
    axis.barh(list(summaries), [getattr(s, what) for s in summaries.values()])
    axis.set_xscale("log")
axes[0].set_title("parameters")
axes[1].set_title("multiply-adds per pixel")
plt.show()

# %%
# Layer by layer, as :func:`~skdeconv.networks.network_summary` prints it:
print(network_summary(networks.Autoencoder, in_channels=3))
