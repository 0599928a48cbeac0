"""The embedded benchmark: photographs that are installed anyway, three degradations."""

from collections.abc import Callable, Sequence

import numpy as np

from skdeconv._images import middle
from skdeconv.benchmark._compare import compare
from skdeconv.benchmark._comparison import Comparison
from skdeconv.datasets import load_photographs, make_dead_leaves
from skdeconv.degradations import Degradation, GaussianNoise
from skdeconv.hybrid import PlugAndPlayRestorer
from skdeconv.neural import DeconvRestorer, PretrainedDenoiser
from skdeconv.operators import Blur, gaussian_psf, motion_psf
from skdeconv.restorers import (
    BlockMatchingRestorer,
    NonLocalMeansRestorer,
    RichardsonLucyRestorer,
    SparseCodingRestorer,
    TotalVariationRestorer,
    WienerRestorer,
)

TEST_SIZE = 224


def default_restorers(*, quick: bool = False) -> dict:
    """Give the methods of the embedded benchmark, with what is tuned of them.

    Parameters
    ----------
    quick : bool, default=False
        Whether the network trains only for a moment, and what takes long is coarser.

    Returns
    -------
    restorers : dict of str to (estimator, param_grid)
        For :func:`compare`.
    """
    network = DeconvRestorer(
        criterion="l1",
        lr=4e-3,
        max_epochs=1,
        batch_size=4,
        patches_per_epoch=4 * (200 if quick else 1600),
        module__width=32,
        # Few, large steps: short memory and clipped gradients keep them stable.
        optimizer__betas=(0.9, 0.99),
        max_grad_norm=0.1,
        validation_fraction=0,
    )
    return {
        "WienerRestorer": (
            WienerRestorer(),
            {"alpha": [3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 0.3, 1.0, 3.0]},
        ),
        "RichardsonLucyRestorer": (
            RichardsonLucyRestorer(psf=None),
            {"max_iter": [2, 3, 4, 6, 8, 12, 16, 24]},
        ),
        "TotalVariationRestorer": (
            TotalVariationRestorer(max_iter=50 if quick else 500),
            {"alpha": [3e-3, 0.15] if quick else [2e-3, 4e-3, 8e-3, 0.1, 0.15]},
        ),
        "SparseCodingRestorer": (
            SparseCodingRestorer(),
            {"alpha": [3e-4, 5e-4, 1e-3, 2e-3]},
        ),
        "NonLocalMeansRestorer": (NonLocalMeansRestorer(), {}),
        "BlockMatchingRestorer": (
            BlockMatchingRestorer(step=6, max_iter=8)
            if quick
            else BlockMatchingRestorer(),
            {},
        ),
        "PretrainedDenoiser": (PretrainedDenoiser(fine_tune=False), {}),
        "PlugAndPlayRestorer": (PlugAndPlayRestorer(max_iter=6 if quick else 12), {}),
        "DeconvRestorer": (network, {}),
    }


def default_degradations() -> dict[str, Degradation]:
    """Give the degradations of the embedded benchmark, for images of range 255.

    Returns
    -------
    degradations : dict of str to Degradation
        For :func:`compare`.
    """
    little = GaussianNoise(2.55)
    return {
        "Gaussian noise, std 25": Degradation([GaussianNoise(25.0)]),
        "Gaussian blur, std 1.6, noise 2.55": Degradation(
            [Blur(gaussian_psf(1.6)), little]
        ),
        "Motion blur, 11 pixels, noise 2.55": Degradation(
            [Blur(motion_psf(11, angle=30)), little]
        ),
    }


def default_training_images(*, quick: bool = False, random_state: int = 0) -> list:
    """Give the training images: photographs and dead leaves, grey, range 255.

    Parameters
    ----------
    quick : bool, default=False
        Whether to draw only a few leaves.
    random_state : int, default=0
        Seeds the leaves.

    Returns
    -------
    images : list of ndarray of float32
        Photographs of various sizes and leaves of 256 x 256.
    """
    leaves = make_dead_leaves(4 if quick else 32, random_state=random_state)
    photographs = load_photographs("train").images
    return [p.astype(np.float32) for p in photographs] + list(255 * leaves)


def default_benchmark(
    *,
    quick: bool = False,
    test_images: Sequence | None = None,
    image_names: Sequence[str] | None = None,
    restorers: Sequence[str] | None = None,
    random_state: int = 0,
    progress: Callable[[str], None] | None = None,
) -> Comparison:
    """Run the embedded benchmark: deep against classical, on real photographs.

    Parameters
    ----------
    quick : bool, default=False
        Whether to take about a minute, with a network that is hardly trained.
    test_images : sequence of ndarray or None, default=None
        Grey images of range 255 to test on; None takes the middles of the test part
        of :func:`~skdeconv.datasets.load_photographs`.
    image_names : sequence of str or None, default=None
        Names of `test_images`.
    restorers : sequence of str or None, default=None
        Which of the methods to run; None runs all.
    random_state : int, default=0
        Seeds everything.
    progress : callable or None, default=None
        Called with a line of text when a method has finished.

    Returns
    -------
    comparison : Comparison
        The result.

    Raises
    ------
    ValueError
        If a name in `restorers` is unknown.
    """
    methods = default_restorers(quick=quick)
    if restorers is not None:
        unknown = sorted(set(restorers) - set(methods))
        if unknown:
            raise ValueError(f"restorers must be among {list(methods)}, got {unknown}.")
        methods = {name: methods[name] for name in methods if name in restorers}
    if test_images is None:
        photographs = load_photographs("test")
        image_names = photographs.names
        test_images = [middle(image, TEST_SIZE) for image in photographs.images]
    return compare(
        methods,
        default_degradations(),
        default_training_images(quick=quick, random_state=random_state),
        test_images=[np.asarray(image, np.float32) for image in test_images],
        image_names=image_names,
        budget=15 if quick else 40,
        data_range=255,
        random_state=random_state,
        progress=progress,
    )
