"""Restoration by collaborative filtering of similar blocks."""

from numbers import Integral

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from skdeconv._params import Interval, StrOptions
from skdeconv.restorers._base import DATA_RANGE, NDIM, PSF
from skdeconv.restorers._denoiser import Denoiser
from skdeconv.restorers._noise import NOISE_STD
from skdeconv.restorers._varying_psf import VaryingPSFMixin
from skdeconv.solvers import block_deconvolve, collaborative_filter
from skdeconv.solvers._collaborative import Stage

# By number of spatial axes: length of a block, reach of the search, spacing.
PATCH_SIZE = {1: 16, 2: 8, 3: 4}
SEARCH_RADIUS = {1: 100, 2: 19, 3: 4}
STEP = {1: 3, 2: 3, 3: 2}


class BlockMatchingRestorer(VaryingPSFMixin, Denoiser):
    r"""Similar blocks of an image, stacked and filtered together (BM3D).

    For each of a grid of blocks the most similar ones nearby are stacked. A stack has a
    much sparser transform than a block: small coefficients are zeroed in a first pass,
    and in a second a Wiener filter takes its spectra from what the first one gave. To
    be preferred where structures repeat within an image and no training data are at
    hand. With a PSF, turns of a division by its transfer function and of the filter
    deblur.

    Parameters
    ----------
    psf : array-like of one to three axes or None, default=None
        Point spread function, non-negative; normalised to sum 1. ``None`` denoises.
    noise_std : float or "auto", default="auto"
        Standard deviation of the noise, in the units of X. ``"auto"`` takes it from the
        pairs where ``fit`` is given y, else estimates it for each image that is
        restored. Without PSF, noise that plainly grows with the intensity, as
        of counted photons, is then brought to one level first.
    patch_size : int or "auto", default="auto"
        Length of the blocks along every axis in pixels, clipped to the image.
        ``"auto"`` is 16 for signals, 8 for images and 4 for volumes.
    search_radius : int or "auto", default="auto"
        How far away along every axis a similar block may be, in pixels. ``"auto"`` is
        100 for signals, 19 for images and 4 for volumes.
    group_size : int, default=32
        Blocks in a stack, rounded down to a power of two; the first pass takes half as
        many.
    step : int or "auto", default="auto"
        Spacing of the blocks that stacks are made for. ``"auto"`` is 3 for signals and
        images and 2 for volumes; half as much again for deblurring.
    max_iter : int, default=16
        Turns of the deblurring.
    boundary : {"extended", "periodic"}, default="extended"
        What lies beyond the frame when deblurring: an unknown larger scene, or the
        image repeated.
    ndim : int, default=2
        Number of spatial axes where `psf` is None; else that of the PSF.
    data_range : float or None, default=None
        Span of the intensities, for `score` and `clip`; ``None`` takes it from the
        dtype (255 for uint8), or 1.
    clip : bool, default=False
        Whether to clip the answer to ``[0, data_range_]``.

    Attributes
    ----------
    psf_ : ndarray or None
        The normalised PSF.
    noise_std_ : float or ndarray of shape (n_samples,)
        The noise level; an array holds the estimates for the images of ``fit``.
    n_iter_ : int
        Passes over the image, or turns of the deblurring.
    data_range_ : float
        Span of the intensities.
    n_channels_ : int
        Number of channels seen in ``fit``.
    n_features_in_ : int
        Length of the signals seen in ``fit``; only with one spatial axis.

    Raises
    ------
    ValueError
        If data, PSF or parameters are wrong, or the PSF is larger than an image.

    Warns
    -----
    OutlierWarning
        If an image without a mask has pixels that stand out as salt and pepper, hot or
        dead pixels do.
    PSFWarning
        If an image of two or three axes plainly shows waves that the PSF takes away, as
        when the PSF is too wide. For ``noise_std="auto"`` they count as noise.

    See Also
    --------
    SparseCodingRestorer : Single patches, of a learned dictionary.
    skdeconv.DeconvRestorer : Learns from examples.

    Notes
    -----
    Denoising with a mask filters twice: pixels that are missing, or count in part, take
    in the second pass what the first one gave them.

    References
    ----------
    .. [1] K. Dabov, A. Foi, V. Katkovnik, K. Egiazarian, "Image denoising by sparse 3-D
       transform-domain collaborative filtering", IEEE Trans. Image Process. 16(8),
       2007. :doi:`10.1109/TIP.2007.901238`
    .. [2] A. Danielyan, V. Katkovnik, K. Egiazarian, "BM3D frames and variational image
       deblurring", IEEE Trans. Image Process. 21(4), 2012.
       :doi:`10.1109/TIP.2011.2176954`

    Examples
    --------
    >>> import numpy as np
    >>> from skdeconv import BlockMatchingRestorer
    >>> from skdeconv.datasets import load_photographs
    >>> clean = load_photographs("test").images[1][None, 100:196, 200:296]
    >>> noisy = clean + np.random.default_rng(0).normal(0, 25, clean.shape)
    >>> restorer = BlockMatchingRestorer(data_range=255).fit(noisy)
    >>> bool(restorer.score(noisy, clean) > 26)
    True
    """

    _parameter_constraints: dict = {
        "psf": PSF,
        "noise_std": NOISE_STD,
        "patch_size": [
            Interval(Integral, 1, None, closed="left"),
            StrOptions({"auto"}),
        ],
        "search_radius": [
            Interval(Integral, 0, None, closed="left"),
            StrOptions({"auto"}),
        ],
        "group_size": [Interval(Integral, 1, None, closed="left")],
        "step": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "boundary": [StrOptions({"extended", "periodic"})],
        "ndim": NDIM,
        "data_range": DATA_RANGE,
        "clip": ["boolean"],
    }

    def __init__(
        self,
        psf: ArrayLike | None = None,
        *,
        noise_std: float | str = "auto",
        patch_size: int | str = "auto",
        search_radius: int | str = "auto",
        group_size: int = 32,
        step: int | str = "auto",
        max_iter: int = 16,
        boundary: str = "extended",
        ndim: int = 2,
        data_range: float | None = None,
        clip: bool = False,
    ):
        self.psf = psf
        self.noise_std = noise_std
        self.patch_size = patch_size
        self.search_radius = search_radius
        self.group_size = group_size
        self.step = step
        self.max_iter = max_iter
        self.boundary = boundary
        self.ndim = ndim
        self.data_range = data_range
        self.clip = clip

    _takes_mask = True

    def _fit(self, images, target, weights=None):
        self.n_iter_ = 2 if self.psf_ is None else self.max_iter
        super()._fit(images, target, weights)

    def _denoise(self, x: Tensor, noise_std: Tensor, weight=None) -> Tensor:
        size, radius, step = (
            table[x.ndim - 2] if value == "auto" else value
            for value, table in (
                (self.patch_size, PATCH_SIZE),
                (self.search_radius, SEARCH_RADIUS),
                (self.step, STEP),
            )
        )
        near = -(-3 * radius // 4)
        first = Stage(max(1, self.group_size // 2), radius, step, 0.75)
        if self.psf_ is None:
            stages = first, Stage(self.group_size, near, step, 0.75)
            options = {"patch_size": size, "stages": stages}
            filtered = collaborative_filter(x, noise_std, **options).x
            if weight is None:
                return filtered
            # Filled from their rim, missing pixels were no part of any structure.
            x = torch.lerp(filtered, x, weight)
            return collaborative_filter(x, noise_std, **options).x
        if self.step == "auto":  # the grid moves, and may be wide
            step = -(-3 * step // 2)
        stages = first, Stage(self.group_size, radius // 2, step, 0.5)
        return block_deconvolve(
            x,
            self._blur(),
            noise_std,
            patch_size=size,
            stages=stages,
            max_iter=self.max_iter,
            weight=weight,
        ).x
