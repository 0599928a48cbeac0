"""Random patches, cut, turned and degraded on the fly."""

from collections.abc import Iterator
from itertools import permutations

import numpy as np
import torch
from torch import Generator, Tensor
from torch.utils.data import Dataset

from skdeconv._images import ImageBatch, to_tensor


class PatchDataset(Dataset):
    """Endless random patches of image pairs, or of clean images degraded afresh.

    Memory does not grow with their number: a patch exists only while its batch does.

    Parameters
    ----------
    inputs : ImageBatch or None
        Degraded images; None where `degradation` makes them.
    targets : ImageBatch
        Clean images.
    degradation : Degradation or None
        Applied to every clean patch anew.
    patch_size : int
        Length of a patch along every axis; it shrinks to the smallest image.
    n_patches : int or None
        Patches per epoch; None covers the pixels about once.
    augment : bool
        Whether patches are flipped and turned at random.
    data_range : float
        Intensities are divided by it.
    rng : numpy.random.Generator
        Source of randomness.
    """

    def __init__(
        self,
        inputs: ImageBatch | None,
        targets: ImageBatch,
        *,
        degradation,
        patch_size: int,
        n_patches: int | None,
        augment: bool,
        data_range: float,
        rng: np.random.Generator,
    ):
        self.inputs, self.targets = inputs, targets
        self.degradation = degradation
        self.augment, self.data_range, self.rng = augment, data_range, rng
        smallest = np.min(targets.shapes, axis=0)
        margins = 0 if degradation is None else degradation._margins().sum(axis=1)
        # Real borders need a frame within each image; tiny images cannot afford one.
        self.keeps_size = np.any(smallest - margins < min(patch_size, *smallest) / 2)
        if self.keeps_size:
            margins = 0
        self.patch = np.minimum(patch_size, smallest - margins)
        self.cut = self.patch + margins
        pixels = np.array([np.prod(shape) for shape in targets.shapes], dtype=float)
        self.weights = pixels / pixels.sum()
        covering = int(np.ceil(pixels.sum() / np.prod(self.patch)))
        self.n_patches = covering if n_patches is None else n_patches

    def __len__(self):
        return self.n_patches

    def draw(self, n: int) -> tuple[Tensor, Tensor]:
        """Draw `n` pairs of patches ``(n, channels, *patch)``, of range 1."""
        which = self.rng.choice(len(self.weights), size=n, p=self.weights)
        places = [self._place(index) for index in which]
        batches = [b for b in (self.inputs, self.targets) if b is not None]
        cut = [
            to_tensor(
                np.stack(
                    [turn(batch.data[index][place]) for index, place, turn in places]
                ),
                batch.has_channels,
                np.float32,
            )
            for batch in batches
        ]
        if self.degradation is None:
            x, y = cut
        else:
            seed = int(self.rng.integers(2**63))
            x, y = self._degrade(cut[0], Generator().manual_seed(seed))
        return x.div_(self.data_range), y.div(self.data_range)

    def _degrade(self, clean, generator):
        if self.keeps_size:
            return self.degradation._degrade(clean, generator), clean
        return self.degradation._degrade_pair(clean, generator)

    def _place(self, index):
        room = np.array(self.targets.shapes[index]) - self.cut
        origin = self.rng.integers(room, endpoint=True)
        place = tuple(map(slice, origin, origin + self.cut))
        return index, place, self._turn() if self.augment else (lambda patch: patch)

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

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for _ in range(len(self)):
            yield self.dataset.draw(self.batch_size)


def validation_pairs(
    inputs: ImageBatch | None, targets: ImageBatch, degradation, data_range: float
) -> list[tuple[Tensor, Tensor]]:
    """Make the fixed pairs on which an epoch is judged, of range 1."""
    clean = list(targets.images(np.float32))
    if inputs is not None:
        noisy = list(inputs.images(np.float32))
    else:
        generator = torch.Generator().manual_seed(0)
        noisy = [degradation._degrade(y, generator) for y in clean]
    return [(x / data_range, y / data_range) for x, y in zip(noisy, clean, strict=True)]
