"""Synthetic scenes of occluding, textured leaves."""

from numbers import Integral

import numpy as np
from sklearn.utils import check_random_state

from skdeconv.datasets._scene import Scene


def make_dead_leaves(
    n_samples: int = 1,
    shape: tuple[int, int] = (256, 256),
    *,
    color: bool = False,
    textured: bool = True,
    random_state=None,
) -> np.ndarray:
    r"""Draw scenes of leaves that occlude each other, to train restorers on.

    Radii follow the density :math:`r^{-3}`, which makes the scenes as scale invariant
    as natural images are [1]_; shapes are discs, bars, polygons and blobs. Half of the
    scenes have a background out of focus. Textures are, in the manner of [2]_, noise of
    spectrum :math:`1/f^s`, :math:`s \sim U[0.5, 2.5]`, here also stretched along a
    direction or folded to creases; warped waves; mixtures of the two; and shading. No
    photograph is used: colours are normal along the principal axes that the log
    intensities of natural scenes have, mainly luminance, then orange to blue, then
    green to magenta [3]_.

    Parameters
    ----------
    n_samples : int, default=1
        Number of images.
    shape : tuple of (int, int), default=(256, 256)
        Height and width in pixels.
    color : bool, default=False
        Whether to draw RGB images instead of grey ones.
    textured : bool, default=True
        Whether leaves have textures; otherwise each is of one colour.
    random_state : int, RandomState instance or None, default=None
        Makes the images reproducible; the first images are the same whatever
        `n_samples`. None takes fresh entropy and leaves NumPy's global generator alone.

    Returns
    -------
    X : ndarray of float32, of shape (n_samples, height, width[, 3])
        Intensities in [0, 1], coded for display like those of a photograph.

    Raises
    ------
    ValueError
        If `n_samples` is not a positive integer or `shape` not two of them.

    References
    ----------
    .. [1] A. B. Lee, D. Mumford and J. Huang, "Occlusion models for natural images: a
       statistical study of a scale-invariant dead leaves model", International Journal
       of Computer Vision 41, 2001. :doi:`10.1023/A:1011109015675`
    .. [2] R. Achddou, Y. Gousseau, S. Ladjal and S. Süsstrunk, "VibrantLeaves: a
       principled parametric image generator for training deep restoration models",
       2025. :doi:`10.48550/arXiv.2504.10201`
    .. [3] D. L. Ruderman, T. W. Cronin and C.-C. Chiao, "Statistics of cone responses
       to natural images: implications for visual coding", Journal of the Optical
       Society of America A 15(8), 1998. :doi:`10.1364/JOSAA.15.002036`

    Examples
    --------
    >>> from skdeconv.datasets import make_dead_leaves
    >>> make_dead_leaves(2, (32, 48), color=True, random_state=0).shape
    (2, 32, 48, 3)
    """
    if not _is_count(n_samples):
        raise ValueError(f"n_samples must be a positive integer, got {n_samples!r}.")
    if np.shape(shape) != (2,) or not all(map(_is_count, shape)):
        raise ValueError(f"shape must be two positive integers, got {shape!r}.")
    entropy = None
    if random_state is not None:
        entropy = check_random_state(random_state).randint(2**31 - 1, size=4)
    images = np.empty((n_samples, *shape, 3 if color else 1), np.float32)
    seeds = np.random.SeedSequence(entropy).spawn(n_samples)
    for image, seed in zip(images, seeds, strict=True):
        scene = Scene(shape, image.shape[-1], textured, np.random.default_rng(seed))
        image[:] = scene.render()
    return images if color else images[..., 0]


def _is_count(value):
    return isinstance(value, Integral) and not isinstance(value, bool) and value > 0
