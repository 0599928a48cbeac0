"""Random patches, cut, turned and degraded on the fly."""

from collections.abc import Iterator, Sequence
from itertools import permutations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Generator, Tensor
from torch.utils.data import Dataset

from skdeconv._images import ImageBatch, to_tensor
from skdeconv.restorers._base import hide

# Pixels along an axis of the mean intensity that tells how strong noise is.
WINDOW = 5


class TrainingImages:
    """Degraded and clean images, and how a network is to see them.

    Nothing is copied: images may lie on disk.

    Parameters
    ----------
    inputs : ImageBatch or None
        Degraded images; None where they are made of the targets.
    targets : ImageBatch
        Clean images, or degraded ones where a network learns from nothing else.
    weights : ImageBatch or None, default=None
        Weights of the pixels of the inputs, which join them as channels.
    degradation : Degradation or None, default=None
        What makes degraded images of the targets.
    data_range : float, default=1.0
        Intensities are divided by it.
    upscale : int, default=1
        How many times longer the axes of the targets are than those of the inputs.
    noise_std : sequence of float or pair of float, "measured" or None, default=None
        Noise level of every image, in the units of the images, or offset and gain of
        the variance over the intensity; ``"measured"`` takes what the noises of the
        degradation did. None where the network does not ask.
    """

    def __init__(
        self,
        inputs: ImageBatch | None,
        targets: ImageBatch,
        *,
        weights: ImageBatch | None = None,
        degradation=None,
        data_range: float = 1.0,
        upscale: int = 1,
        noise_std: Sequence[float] | str | None = None,
    ):
        self.inputs, self.targets, self.weights = inputs, targets, weights
        self.degradation, self.data_range = degradation, data_range
        self.upscale, self.noise_std = upscale, noise_std

    def __len__(self):
        return len(self.targets)

    def pair(self, clean, degraded, weight, indices, generator, crop):
        """Make what a network trains on: its input, of range 1, and the target.

        Parameters
        ----------
        clean : Tensor of shape (n, channels, *spatial)
            Pieces of the targets.
        degraded : Tensor or None
            The same pieces of the inputs.
        weight : Tensor or None
            The same pieces of the weights.
        indices : sequence of int
            The images from which the pieces come.
        generator : torch.Generator
            Source of the noise.
        crop : bool
            Whether to cut off what a border touches.

        Returns
        -------
        x : Tensor or (Tensor, Tensor)
            Input, and its noise levels where the network asks for them: ``(n,)``, or of
            pixels where they depend on the intensity.
        y : Tensor
            Target.
        """
        levels = self.noise_std
        if weight is not None:
            # Missing pixels hold anything.
            degraded = hide(clean if degraded is None else degraded, weight)
        if degraded is None:
            degraded = clean
        if self.degradation is not None:
            scene = clean
            degraded, clean = self._degrade(self.degradation, scene, crop, generator)
            if isinstance(levels, str):
                quiet = self.degradation._without_noise()
                undisturbed = clean
                if quiet is not None:
                    undisturbed, _ = self._degrade(quiet, scene, crop)
                levels = (degraded - undisturbed).flatten(1).std(dim=1)
        x, y = degraded / self.data_range, clean / self.data_range
        if weight is not None:
            x = torch.cat([x, weight], dim=1)
        if levels is None:
            return x, y
        if not isinstance(levels, Tensor):
            levels = _noise_of(degraded, [levels[i] for i in indices])
        return (x, levels / self.data_range), y

    @staticmethod
    def _degrade(degradation, scene, crop, generator=None):
        """Give the degraded scene, and the part of the scene that it shows."""
        if crop:
            return degradation._degrade_pair(scene, generator)
        return degradation._degrade(scene, generator), scene

    def whole(self, indices) -> Iterator[tuple]:
        """Yield inputs and targets of whole images, the same at every call."""
        generator = Generator().manual_seed(0)
        for i in indices:
            place = (...,)
            if self.inputs is None:  # what a degradation makes coarser
                size = self.targets.data[i].shape[: self.targets.ndim]
                place = tuple(slice(n - n % self.upscale) for n in size)
            parts = (self._cut(batch, [(i, place, None)]) for batch in self._batches())
            yield self.pair(*parts, [i], generator, crop=False)

    def _batches(self):
        return self.targets, self.inputs, self.weights

    def _cut(self, batch, places):
        """Cut out one piece for every place and stack them."""
        if batch is None:
            return None
        pieces = (np.asarray(batch.data[index])[place] for index, place, _ in places)
        turns = (turn or _as_it_is for *_, turn in places)
        pieces = [turn(piece) for turn, piece in zip(turns, pieces, strict=True)]
        return to_tensor(np.stack(pieces), batch.has_channels, np.float32)


class PatchDataset(Dataset):
    """Endless random patches.

    Memory does not grow with their number: a patch exists only while its batch does.

    Parameters
    ----------
    images : TrainingImages
        What patches are cut from.
    indices : sequence of int
        Which of the images.
    patch_size : int
        Length of a patch of the inputs along every axis; it shrinks to the smallest
        image.
    n_patches : int or None
        Patches per epoch; None covers the pixels about once.
    augment : bool
        Whether patches are flipped and turned at random.
    rng : numpy.random.Generator
        Source of randomness.
    """

    def __init__(
        self,
        images: TrainingImages,
        indices: Sequence[int],
        *,
        patch_size: int,
        n_patches: int | None,
        augment: bool,
        rng: np.random.Generator,
    ):
        self.images, self.indices = images, np.asarray(indices)
        self.augment, self.rng = augment, rng
        upscale, degradation = images.upscale, images.degradation
        all_shapes = images.targets.shapes
        self.shapes = [all_shapes[i] for i in self.indices]
        smallest = np.min(self.shapes, axis=0)
        margins = 0 if degradation is None else degradation._margins().sum(axis=1)
        wanted = np.minimum(upscale * patch_size, smallest)
        # Real borders need a frame within each image; tiny images cannot afford one.
        self.keeps_size = np.any(smallest - margins < wanted / 2)
        if self.keeps_size:
            margins = 0
        patch = np.minimum(upscale * patch_size, smallest - margins)
        patch -= patch % upscale
        if np.any(patch == 0):
            raise ValueError(
                f"images must be at least {upscale} pixels long for upscale={upscale}, "
                f"got one of {tuple(map(int, smallest))}."
            )
        self.cut = patch + margins
        pixels = np.array([np.prod(shape) for shape in self.shapes], dtype=float)
        self.weights = pixels / pixels.sum()
        covering = int(np.ceil(pixels.sum() / np.prod(patch)))
        self.n_patches = covering if n_patches is None else n_patches

    def __len__(self):
        return self.n_patches

    def draw(self, n: int) -> tuple:
        """Draw `n` pairs of patches ``(n, channels, *patch)``, of range 1."""
        which = self.rng.choice(len(self.weights), size=n, p=self.weights)
        fine = [self._place(index) for index in which]
        factor = self.images.upscale
        coarse = [
            (i, tuple(slice(s.start // factor, s.stop // factor) for s in place), turn)
            for i, place, turn in fine
        ]
        targets, *others = self.images._batches()
        parts = [self.images._cut(targets, fine)]
        parts += [self.images._cut(batch, coarse) for batch in others]
        generator = Generator()
        if self.images.degradation is not None:
            generator.manual_seed(int(self.rng.integers(2**63)))
        indices = [i for i, *_ in fine]
        return self.images.pair(*parts, indices, generator, crop=not self.keeps_size)

    def _place(self, index):
        # Patches of the targets begin where a pixel of the inputs does.
        factor = self.images.upscale
        room = (np.array(self.shapes[index]) - self.cut) // factor
        origin = self.rng.integers(room, endpoint=True) * factor
        place = tuple(map(slice, origin, origin + self.cut))
        return self.indices[index], place, self._turn() if self.augment else None

    def _turn(self):
        """Draw a flip of each axis and, for cubes, a permutation of the axes."""
        ndim = len(self.cut)
        flips = tuple(slice(None, None, int(s)) for s in self.rng.choice([-1, 1], ndim))
        orders = list(permutations(range(ndim)))
        order = orders[self.rng.integers(len(orders))]
        if len(set(self.cut)) > 1:
            order = tuple(range(ndim))

        def turn(patch):
            channels = range(ndim, patch.ndim)
            return patch[flips].transpose(*order, *channels)

        return turn


class PatchLoader:
    """Batches of random patches, in the place of a torch DataLoader.

    Parameters
    ----------
    dataset : PatchDataset
        What draws the patches.
    batch_size : int
        Patches per batch.
    min_batches : int, default=1
        Batches per epoch at least.
    """

    def __init__(self, dataset: PatchDataset, batch_size: int, min_batches: int = 1):
        self.dataset, self.batch_size, self.min_batches = (
            dataset,
            batch_size,
            min_batches,
        )

    def __len__(self):
        return max(self.min_batches, -(-len(self.dataset) // self.batch_size))

    def __iter__(self) -> Iterator[tuple]:
        for _ in range(len(self)):
            yield self.dataset.draw(self.batch_size)


def _noise_of(x, levels):
    """Noise levels of images, or of their pixels where the variance is a line."""
    if all(isinstance(level, float) for level in levels):
        return torch.tensor(levels)
    lines = [(v**2, 0.0) if isinstance(v, float) else v for v in levels]
    offset, gain = torch.tensor(lines).T.reshape(2, -1, *(1,) * (x.ndim - 1))
    # The pixel alone would tell of its own noise.
    pool = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)[x.ndim - 3]
    options = {"stride": 1, "padding": WINDOW // 2, "count_include_pad": False}
    return (offset + gain * pool(x, WINDOW, **options)).clamp_min(0).sqrt()


def _as_it_is(patch):
    return patch
