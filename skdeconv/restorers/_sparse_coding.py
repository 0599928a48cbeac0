"""Restoration by sparse representation."""

from itertools import starmap
from numbers import Integral, Real

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from skdeconv._params import Interval, RandomState, StrOptions, draw_seed
from skdeconv.operators import LinearOperator
from skdeconv.restorers._base import (
    DATA_RANGE,
    NDIM,
    OPERATOR,
    PSF,
    BaseRestorer,
)
from skdeconv.restorers._noise import (
    NOISE_STD,
    automatic_noise,
    denoise_stabilised,
    pair_noise_std,
)
from skdeconv.restorers._noise_behind import noise_behind
from skdeconv.restorers._sparse_inversion import BOUNDARIES, SparseInversionMixin
from skdeconv.restorers._strength import batches
from skdeconv.restorers._varying_psf import VaryingPSFMixin
from skdeconv.solvers import sparse_denoise
from skdeconv.solvers._patches import clip_patch_size
from skdeconv.solvers._sparse_coding import learn_dictionary


class SparseCodingRestorer(VaryingPSFMixin, SparseInversionMixin, BaseRestorer):
    r"""Image patches as sums of few atoms.

    Without a PSF it denoises: every overlapping patch is coded by as few atoms of a
    learned dictionary D as reach the noise level,

    .. math:: \min_c \lVert c \rVert_0 \quad \text{such that} \quad
        \lVert p - D c \rVert \le 1.15 \, \sigma \sqrt d,

    and the coded patches are averaged. With a PSF or another operator it inverts, by
    few cosine waves per patch,

    .. math:: \min_x \lVert A x - y \rVert^2 + \alpha R \lVert W x \rVert_1

    with the range `R` of the data (``data_range_``): it deblurs, fills missing pixels
    and refines coarse ones.

    To be preferred where structures repeat and no training data are at hand.

    Parameters
    ----------
    psf : array-like of one to three axes or None, default=None
        Point spread function, non-negative; normalised to sum 1. ``None`` denoises.
    alpha : float or "auto", default="auto"
        Weight of the penalty against the squared misfit, without unit; larger is
        smoother. ``"auto"`` takes the best for the pairs where ``fit`` is given y, else
        for each image that of the least expected error, by Stein's estimate [4]_, near
        what noise level, blur and spectrum suggest. With an `operator` that is more
        than a blur it is chosen by Stein's estimate where `noise_std` is given, else by
        generalised cross-validation. Denoising goes by `noise_std` alone.
    operator : LinearOperator or None, default=None
        What is to be undone where it is not a blur: a
        :class:`~skdeconv.operators.Mask`, a :class:`~skdeconv.operators.Downsample`, a
        composition. The answer has the shape of its domain, less what a ``Blur`` with
        boundary ``"extended"`` sees beyond the frame.
    noise_std : float or "auto", default="auto"
        Standard deviation of the noise, in the units of X. ``"auto"`` takes it from the
        pairs where ``fit`` is given y, else estimates it for each image that is
        restored. Without PSF and operator, noise that plainly grows with the
        intensity, as of counted photons, is then brought to one level first.
    patch_size : int, default=8
        Length of the patches along every axis in pixels, clipped to the image. Only
        denoising uses it.
    n_components : int, default=256
        Atoms of the dictionary. Only denoising uses it.
    max_iter : int, default=100
        Most iterations of an inversion.
    tol : float, default=2e-3
        Inversion of an image ends when an iteration changes it by less, relative to
        its contrast.
    boundary : {"extended", "periodic"}, default="extended"
        What lies beyond the frame when deblurring: an unknown larger scene, or the
        image repeated.
    random_state : int, RandomState instance or None, default=None
        Draws the patches that the dictionary is learned from.
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
    alpha_ : float, ndarray of shape (n_samples,) or None
        The strength; an array holds the choices for the images of ``fit``, and None
        stands for denoising.
    criterion_ : {"psnr", "sure", "gcv"} or None
        What chose it: the PSNR of the pairs, Stein's estimate of the error of the
        answer as the data see it, cross-validation, or nothing.
    path_ : dict or None
        The strengths looked at under ``"alpha"`` and the criterion there under
        ``"criterion"``, a row per image or one for the pairs.
    dictionary_ : ndarray of shape (n_components, patch_size**ndim) or None
        Atoms learned on the clean images given to ``fit``; None where each image learns
        its own, a PSF is given or there is no noise.
    n_iter_ : int
        The budget of iterations.
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
    NoiseWarning
        If the estimate for ``noise_std="auto"`` is doubtful: too much texture, or too
        few pixels that are neither constant nor saturated.
    OutlierWarning
        If an image without a mask has pixels that stand out as salt and pepper, hot or
        dead pixels do; with a given `alpha` it is not looked for them.
    PSFWarning
        If the strength is chosen, and an image of two or three axes plainly shows waves
        that the PSF takes away, as when the PSF is too wide. They count as noise then,
        unless its level is given.

    See Also
    --------
    WienerRestorer : Linear, and faster.
    skdeconv.DeconvRestorer : Learns from examples.

    Notes
    -----
    Dictionaries start from an overcomplete cosine basis and are fitted in turns of
    orthogonal matching pursuit and least squares (the method of optimal directions),
    ten times, on 40 000 random patches, or fewer where each takes more than five atoms.

    Stein's estimate for an image of more than 73728 pixels, or 262144 voxels, is made
    on eight parts of it, of little, more and much detail.

    References
    ----------
    .. [1] M. Elad, M. Aharon, "Image denoising via sparse and redundant representations
       over learned dictionaries", IEEE Trans. Image Process. 15(12), 2006.
       :doi:`10.1109/TIP.2006.881969`
    .. [2] K. Engan, S. O. Aase, J. H. Husoy, "Method of optimal directions for frame
       design", ICASSP 1999. :doi:`10.1109/ICASSP.1999.760624`
    .. [3] M. S. C. Almeida, M. A. T. Figueiredo, "Deconvolving images with unknown
       boundaries using the alternating direction method of multipliers", IEEE Trans.
       Image Process. 22(8), 2013. :doi:`10.1109/TIP.2013.2258354`
    .. [4] S. Ramani, T. Blu, M. Unser, "Monte-Carlo SURE", IEEE Trans. Image Process.
       17(9), 2008. :doi:`10.1109/TIP.2008.2001404`

    Examples
    --------
    >>> import numpy as np
    >>> from skdeconv import SparseCodingRestorer
    >>> from skdeconv.datasets import load_photographs
    >>> clean = load_photographs("test").images[1][None, 100:196, 200:296]
    >>> noisy = clean + np.random.default_rng(0).normal(0, 25, clean.shape)
    >>> restorer = SparseCodingRestorer(random_state=0, data_range=255).fit(noisy)
    >>> bool(restorer.score(noisy, clean) > 26)
    True
    """

    _parameter_constraints: dict = {
        "psf": PSF,
        "alpha": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
        "operator": OPERATOR,
        "noise_std": NOISE_STD,
        "patch_size": [Interval(Integral, 1, None, closed="left")],
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "boundary": [StrOptions(set(BOUNDARIES))],
        "random_state": ["random_state"],
        "ndim": NDIM,
        "data_range": DATA_RANGE,
        "clip": ["boolean"],
    }

    def __init__(
        self,
        psf: ArrayLike | None = None,
        *,
        alpha: float | str = "auto",
        operator: LinearOperator | None = None,
        noise_std: float | str = "auto",
        patch_size: int = 8,
        n_components: int = 256,
        max_iter: int = 100,
        tol: float = 2e-3,
        boundary: str = "extended",
        random_state: RandomState = None,
        ndim: int = 2,
        data_range: float | None = None,
        clip: bool = False,
    ):
        self.psf = psf
        self.alpha = alpha
        self.operator = operator
        self.noise_std = noise_std
        self.patch_size = patch_size
        self.n_components = n_components
        self.max_iter = max_iter
        self.tol = tol
        self.boundary = boundary
        self.random_state = random_state
        self.ndim = ndim
        self.data_range = data_range
        self.clip = clip

    @property
    def _inverts(self):
        return self.psf is not None or self.operator is not None

    @property
    def _takes_mask(self):
        return self._inverts

    def _fit(self, images, target, weights=None):
        self._seed = draw_seed(self.random_state)
        self.n_iter_ = self.max_iter
        self.noise_std_ = self._noise_levels(images, target, weights)
        self.dictionary_ = None
        if self._inverts:
            super()._fit(images, target, weights)
            return
        self._keep(None, None, None)
        if target is not None and self.noise_std_ > 0:
            smallest = tuple(np.min(target.shapes, axis=0).tolist())
            self._patch = clip_patch_size(self.patch_size, smallest)
            clean = [y[0] for y in target.images(images.float_dtype)]
            level = torch.full((len(clean),), self.noise_std_).to(clean[0])
            atoms = self._learn(clean, level, self._patch)
            self.dictionary_ = atoms.cpu().numpy()

    def _noise_levels(self, images, target, weights):
        if self.noise_std != "auto":
            return float(self.noise_std)
        if target is None or self._beyond_blur is not None:
            levels = []
            for x, weight in starmap(self._seen, batches(images, weights)):
                if self._inverts:  # the choice of the strength warns
                    noise = noise_behind(self.psf_, x, self.data_range_, weight)
                    levels.append(noise.total)
                else:
                    levels.append(automatic_noise(x, self.data_range_).std)
            return torch.cat(levels).cpu().numpy()
        return pair_noise_std(images, target, self.psf_, weights)

    def _restore(self, x, noise_std=None, weight=None) -> Tensor:
        if self._inverts:
            return super()._restore(x, noise_std, weight)
        if noise_std is None:
            self._warn_of_outliers(x, weight)
            if np.ndim(self.noise_std_):
                return denoise_stabilised(self._denoise, x, self.data_range_)
        return self._denoise(x, self._level(x, noise_std))

    def _learn(self, images, noise_std, size):
        random = np.random.default_rng(self._seed)
        return learn_dictionary(
            images, noise_std, random, patch_size=size, n_components=self.n_components
        )

    def _denoise(self, x, level):
        shape = tuple(x.shape[2:])
        if self.dictionary_ is not None:
            if any(n < p for n, p in zip(shape, self._patch, strict=True)):
                raise ValueError(
                    f"X must hold the patches of {self._patch} that the dictionary was "
                    f"learned on, got an image of {shape}."
                )
            atoms = torch.from_numpy(self.dictionary_).to(x)
            return sparse_denoise(x, level, atoms, patch_size=self._patch).x
        size = clip_patch_size(self.patch_size, shape)
        restored = []
        for image, std in zip(x.split(1), level.split(1), strict=True):
            if std == 0:  # coding without an error takes long and changes nothing
                restored.append(image)
                continue
            atoms = self._learn([image[0]], std, size)
            restored.append(sparse_denoise(image, std, atoms, patch_size=size).x)
        return torch.cat(restored)
