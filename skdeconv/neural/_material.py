"""What a network learns from: images, noise levels, and those held out."""

from itertools import starmap
from zlib import crc32

import numpy as np

from skdeconv.neural._keeping import fingerprint
from skdeconv.neural._net import takes_noise
from skdeconv.neural._patches import TrainingImages
from skdeconv.restorers._noise import automatic_noise
from skdeconv.restorers._strength import batches


class MaterialMixin:
    """Prepare the images that a restorer is trained on.

    A class that mixes it in has the parameters of ``NetworkRestorer``.
    """

    # Whether training looks at the degraded images only.
    _self_supervised = False

    def _check_degradation(self, images, weights):
        """Refuse a degradation that does not go with the images or the network."""
        self.degradation._check_steps()
        if self.degradation._n_spatial() != self._n_spatial():
            raise ValueError(
                f"degradation acts on {self.degradation._n_spatial()} spatial "
                f"axes, but ndim is {self._n_spatial()}."
            )
        factor = self.degradation._factor()
        if factor != self.upscale:
            raise ValueError(
                f"degradation makes pixels {factor} times coarser, but the network "
                f"refines them {self.upscale} times; they must be equal."
            )
        if weights is not None:
            raise ValueError(
                "mask belongs to degraded images, but the degradation makes its own; "
                "pass one of them."
            )
        self.degradation._check_fits(images)

    def _training_images(self, images, target, weights):
        """What patches are cut from, and what held-out images are judged by, if any."""
        options = {"data_range": self.data_range_, "weights": weights}
        if self._self_supervised:
            judged = None
            if target is not None:
                judged = TrainingImages(images, target, **options)
            return TrainingImages(None, images, **options), judged
        options["upscale"] = self.upscale
        if self.degradation is not None:
            options["degradation"] = self.degradation
            images, target = None, (images if target is None else target)
        both = TrainingImages(images, target, **options)
        return both, both

    def _known_levels(self, images, weights):
        """Noise level of every image, or how to find it.

        Of noise that plainly grows with the intensity, what the network itself does not
        have to be told of, both numbers of the line of its variance.
        """
        if self.noise_std != "auto":
            return [float(self.noise_std)] * len(images)
        if self.degradation is not None:
            return "measured"
        told = takes_noise(self.net_.module_)
        may_grow = not told and getattr(self, "psf_", None) is None
        levels = []
        known = batches(images, weights, self._compute_dtype)
        for x, weight in starmap(self._seen, known):
            if may_grow:
                noise = automatic_noise(x, self.data_range_, weight)
                levels += [
                    (offset, gain) if gain > 0 else level
                    for level, gain, offset in zip(
                        *(part.tolist() for part in noise[:3]), strict=True
                    )
                ]
            else:
                levels += self._automatic_noise_std(x, weight).tolist()
        return levels

    def _split(self, n_images, judged):
        """Draw which images are trained on and which are held out."""
        n_held_out = round(self.validation_fraction * n_images)
        if self.early_stopping:
            n_held_out = max(1, n_held_out)
            if self.validation_fraction == 0 or n_images < 2 or not judged:
                raise ValueError(
                    "early_stopping needs at least two images, clean ones among them, "
                    f"and a positive validation_fraction, got {n_images} image(s)"
                    f"{'' if judged else ' without y'} and {self.validation_fraction}."
                )
        n_held_out = min(n_held_out, n_images - 1) if judged else 0
        # The same ones, however often training goes on.
        random = np.random.default_rng(getattr(self, "_split_seed", 0))
        order = random.permutation(n_images)
        return np.sort(order[n_held_out:]), np.sort(order[:n_held_out])

    def _belongings(self, *batches):
        """Parameters and data to which a checkpoint belongs, in words."""
        ignored = {"checkpoint", "callbacks", "verbose", "device", "warm_start", "clip"}
        words = {
            name: fingerprint(value)
            for name, value in self.get_params(deep=False).items()
            if name not in ignored
        }
        # All of them: the folds of a search differ in their last images only.
        data = [batch and (batch.shapes, _checksum(batch)) for batch in batches]
        return words | {"data": repr(data)}


def _checksum(batch):
    total = 0
    for image in batch.data:
        total = crc32(np.ascontiguousarray(image), total)
    return total
