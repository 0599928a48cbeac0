"""Train the denoisers that the package ships: photographs in, one file of weights out.

    python train_denoiser.py PHOTOGRAPHS... --out denoiser_grey.safetensors --channels 1
    python train_denoiser.py PHOTOGRAPHS... --out denoiser_colour.safetensors \
        --channels 3 --start denoiser_grey.safetensors
    python train_denoiser.py PHOTOGRAPHS... --out deeper.safetensors \
        --start denoiser_grey.safetensors --blocks 4 2 2 --batch-size 16

White Gaussian noise of a level between 0 and 55 of 255, drawn anew for every patch, is
added to random patches; the network is told the level. Photographs are files or folders
of them. The state of the training is kept beside the file of weights after every
epoch: the same command again goes on from there, and after the last epoch just writes
the weights. With ``--epochs`` the result is the same at every run, at equal thread
counts; with ``--minutes`` it depends on the speed of the machine. A network that starts
from another one, of as many or fewer channels, treats all of its channels alike at
first; it may have more blocks than that one.
"""

import argparse
import os
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import torch
from skimage.util import img_as_ubyte
from skorch.callbacks import Callback

from skdeconv import DeconvRestorer, Degradation
from skdeconv.datasets import make_dead_leaves
from skdeconv.degradations import GaussianNoise

SUFFIXES = {".png", ".webp", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"}
LUMA = np.array([0.299, 0.587, 0.114])

WIDTH = (64, 96, 128)
PATCHES_PER_EPOCH = 1600


def read(paths: list[Path], channels: int) -> list[np.ndarray]:
    """Read photographs as images of 8 bits, grey or in colour."""
    files = []
    for path in paths:
        inside = sorted(path.iterdir()) if path.is_dir() else [path]
        files += [file for file in inside if file.suffix.lower() in SUFFIXES]
    if not files:
        raise SystemExit(f"no photographs in {', '.join(map(str, paths))}")
    images = []
    for file in files:
        image = img_as_ubyte(imageio.imread(file))
        if image.ndim == 2:
            image = image[..., None]
        # Transparency comes last; grey has one channel for all colours.
        colour = np.repeat(image[..., :1], 3, -1)
        if image.shape[-1] > 2:
            colour = image[..., :3]
        if channels == 1:
            colour = np.rint(colour @ LUMA).astype(np.uint8)
        images.append(colour)
    return images


def synthesise(n: int, channels: int) -> list[np.ndarray]:
    """Make dead-leaves scenes in the place of photographs."""
    if not n:
        return []
    scenes = make_dead_leaves(n, (512, 512), color=channels == 3, random_state=0)
    return list(np.rint(255 * np.clip(scenes, 0, 1)).astype(np.uint8))


def denoiser(out: Path, arguments) -> DeconvRestorer:
    """The restorer, with settings that were found good for an hour and more."""
    start, budget = arguments.start, {"max_epochs": arguments.epochs}
    if arguments.minutes is not None:
        budget = {"max_epochs": 10**6, "max_time": 60 * arguments.minutes}
    return DeconvRestorer(
        module__width=WIDTH,
        module__n_blocks=tuple(arguments.blocks),
        module__noise_map=True,
        criterion=arguments.criterion,
        optimizer="muon",
        lr=arguments.lr,
        max_grad_norm=1.0,
        ema_decay=0.999,
        batch_size=arguments.batch_size,
        patch_size=arguments.patch_size,
        patches_per_epoch=PATCHES_PER_EPOCH,
        validation_fraction=0.0,
        degradation=Degradation([GaussianNoise((0, 55))]),
        checkpoint=out.with_suffix(".checkpoint"),
        callbacks=start and [StartWith(start)],
        random_state=0,
        device=arguments.device,
        verbose=2,
        data_range=255.0,
        **budget,
    )


class StartWith(Callback):
    """Give a network the weights of another one, spread over its channels."""

    def __init__(self, path: Path):
        self.path = path

    def on_train_begin(self, net, **kwargs):
        if len(net.history):  # a training that goes on
            return
        trained = DeconvRestorer.load(self.path, device="cpu").net_.module_.state_dict()
        weights = net.module_.state_dict()
        for name, tensor in weights.items():
            if name in trained:  # others belong to blocks that are added
                weights[name] = spread(trained[name].to(tensor), tensor.shape)
        for network in (net.module_, net.averaged_):
            network.load_state_dict(weights)


def spread(weight: torch.Tensor, shape) -> torch.Tensor:
    """Repeat the kernels of one image for all channels: their mean goes in."""
    if weight.shape == shape:
        return weight
    if weight.shape[1] != shape[1]:  # the last one of the inputs is the noise map
        image, level = weight[:, :-1], weight[:, -1:]
        times = (shape[1] - 1) // image.shape[1]
        return torch.cat([image.repeat(1, times, 1, 1) / times, level], dim=1)
    return weight.repeat(shape[0] // weight.shape[0], 1, 1, 1)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photographs", type=Path, nargs="*")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--channels", type=int, choices=(1, 3), default=1)
    parser.add_argument("--epochs", type=int, default=300)
    parser.add_argument("--minutes", type=float, help="instead of --epochs")
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--criterion", default="l1")
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--patch-size", type=int, default=128)
    parser.add_argument("--blocks", type=int, nargs=3, default=(2, 2, 2), metavar="N")
    parser.add_argument("--start", type=Path, help="weights to begin with")
    parser.add_argument(
        "--dead-leaves", type=int, default=0, metavar="N", help="synthetic scenes"
    )
    parser.add_argument("--device", default="auto")
    arguments = parser.parse_args()
    if not arguments.out.absolute().parent.is_dir():
        parser.error(f"--out: there is no folder {arguments.out.absolute().parent}")

    images = synthesise(arguments.dead_leaves, arguments.channels)
    if arguments.photographs or not images:
        images += read(arguments.photographs, arguments.channels)
    restorer = denoiser(arguments.out, arguments)
    restorer.fit(images)
    restorer.set_params(checkpoint=None, max_time=None, device="auto", verbose=0)
    restorer.set_params(callbacks=None, max_epochs=restorer.n_iter_)
    restorer.save(arguments.out, half=True)
    size = os.path.getsize(arguments.out) / 2**20
    print(f"wrote {arguments.out}, {size:.1f} MiB, after {restorer.n_iter_} epochs")


if __name__ == "__main__":
    main()
