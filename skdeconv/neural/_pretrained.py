"""A denoiser that needs no training: its weights come with the package."""

from functools import partial
from numbers import Integral, Real
from os import PathLike

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from skdeconv._images import Images, Restored
from skdeconv._params import Interval, RandomState, StrOptions, draw_seed, given
from skdeconv.neural._deconv import DeconvRestorer
from skdeconv.neural._ensembles import mean_over_turns
from skdeconv.neural._planes import as_planes, in_tiles, into_range
from skdeconv.neural._weights import load_denoiser
from skdeconv.restorers._base import DATA_RANGE, NDIM, hide
from skdeconv.restorers._denoiser import Denoiser
from skdeconv.restorers._noise import NOISE_STD, check_noise_levels, denoise_stabilised
from skdeconv.solvers._anscombe import anscombe, inverse_anscombe

# Ways to adapt to noisy images.
TEACHERS = ("sure", "neighbor2neighbor")

# How weights are adapted, whatever they were trained with.
ADAPTING = {
    "criterion": "mse",
    "optimizer": "adam",
    "patches_per_epoch": "auto",
    "patch_size": 64,
    "ema_decay": 0.99,
    "degradation": None,
    "validation_fraction": 0.0,
    "early_stopping": False,
    "max_time": None,
    "accumulation_steps": 1,
    "checkpoint": None,
    "warm_start": True,
    "self_ensemble": False,  # whole images are turned, not their tiles
}


class PretrainedDenoiser(Denoiser):
    r"""Denoise by a network that was trained on photographs beforehand.

    One network for grey and one for colour images, told the level of the noise, come
    with the package: nothing is trained and nothing downloaded. To be preferred for
    white noise on photographs and what resembles them; many images of another kind gain
    from adapting the weights to them.

    Parameters
    ----------
    noise_std : float or "auto", default="auto"
        Standard deviation of the noise, in the units of X; with a `gain`, of the part
        that does not grow. ``"auto"`` measures it on the pairs where ``fit`` is given
        y, else estimates it for every image, in ``predict`` too.
    gain : float or None, default=None
        Growth of the variance of the noise with the intensity, in the units of X: what
        one photon counts. Images are then restored through a transform that makes
        their noise alike everywhere [2]_. None where the noise does not grow, or where
        ``noise_std="auto"`` is to find out: growth that is plain is then estimated.
    fine_tune : bool or {"auto", "sure", "neighbor2neighbor"}, default="auto"
        Whether ``fit`` adapts the weights: to pairs, or without y to the noisy images
        themselves. Then ``"sure"``, or True, goes by an estimate of the error, which
        suits white noise on images that differ from photographs; correlation between
        pixels misleads it. ``"neighbor2neighbor"`` predicts pixels from those beside
        them [3]_, whatever the level: for noise that is correlated a little or not of
        the estimated level, as in micrographs. Either can lose some tenths of a decibel
        on a single image. ``"auto"`` adapts to pairs only, with neither `gain` nor
        mask; all but ``"auto"`` and False refuse these.
    max_epochs : int, default=5
        Epochs of that adaptation, each of which covers the pixels once.
    lr : float, default=1e-4
        Largest learning rate of that adaptation.
    self_ensemble : bool, default=False
        Whether to average over the eight flips and turns of every image: a little
        better, eight times slower.
    tile_size : int or None, default=1024
        Length of the pieces in which larger images are restored, in pixels, to bound
        the memory; the answer does not depend on it. None restores them at once.
    weights : str, path-like or None, default=None
        A file that ``examples/training/train_denoiser.py`` wrote, or any by
        :meth:`DeconvRestorer.save` of a network with a ``noise_map``, for one channel
        or three. None takes those of the package.
    device : str, default="auto"
        ``"cpu"``, ``"cuda"`` or ``"auto"``, which takes CUDA where there is any.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        ``"auto"`` restores in float32.
    random_state : int, RandomState instance or None, default=None
        Seeds the adaptation.
    verbose : int, default=0
        1 shows a progress bar of the adaptation, 2 prints a line per epoch.
    ndim : int, default=2
        Number of spatial axes. Volumes are restored slice by slice along their first
        axis; signals are folded into images.
    data_range : float or None, default=None
        Span of the intensities; ``None`` takes it from the dtype (255 for uint8), or 1.
    clip : bool, default=False
        Whether to clip the answer to ``[0, data_range_]``.

    Attributes
    ----------
    noise_std_ : float or ndarray of shape (n_samples,)
        Noise level, in the units of X; one per image where it was estimated.
    network_ : DeconvRestorer
        The network.
    data_range_ : float
        Span of the intensities.
    n_channels_ : int
        Number of channels seen in ``fit``.
    n_features_in_ : int
        Length of the signals seen in ``fit``; only with ``ndim=1``.

    Raises
    ------
    ValueError
        If data or parameters are wrong, or a file of weights is damaged.

    Warns
    -----
    NoiseWarning
        If an estimate for ``noise_std="auto"`` is doubtful.
    OutlierWarning
        If an image without a mask has pixels that stand out as salt and pepper, hot or
        dead pixels do.

    See Also
    --------
    DeconvRestorer : Trained from nothing, on images of one's own.
    BlockMatchingRestorer : The best without any training.

    Notes
    -----
    Images of three channels are taken for colour ones; with any other number, and
    where the three are equal, each channel is restored by itself by the grey network.
    It was trained for levels from 0 to 55/255 of the range; being free of offsets it
    answers in proportion, so that dark images of a smaller range need no scaling.
    Planes that lie outside of the range, such as those of mean 0, are moved into it
    meanwhile. Constant images, and pixels where the level is 0, stay as they are. What
    the weights were trained on, and how they compare, is told by the model card in the
    user guide.

    Adapted weights are kept by ``denoiser.network_.save(path)``, and used again by
    ``PretrainedDenoiser(weights=path)``.

    References
    ----------
    .. [1] K. Zhang et al., "Plug-and-play image restoration with deep denoiser prior",
       IEEE TPAMI 44(10), 2022. :doi:`10.1109/TPAMI.2021.3088914`
    .. [2] M. Mäkitalo and A. Foi, "Optimal inversion of the generalized Anscombe
       transformation for Poisson-Gaussian noise", IEEE Transactions on Image
       Processing 22, 2013. :doi:`10.1109/TIP.2012.2202675`
    .. [3] T. Huang et al., "Neighbor2Neighbor: Self-supervised denoising from single
       noisy images", CVPR 2021. :doi:`10.1109/CVPR46437.2021.01454`

    Examples
    --------
    >>> import numpy as np
    >>> from skdeconv import PretrainedDenoiser
    >>> from skdeconv.datasets import load_photographs
    >>> clean = load_photographs("test").images[1][None, 100:228, 200:328]
    >>> noisy = clean + np.random.default_rng(0).normal(0, 25, clean.shape)
    >>> denoiser = PretrainedDenoiser(data_range=255).fit(noisy)
    >>> bool(denoiser.score(noisy, clean) > 27)
    True
    """

    _compute_dtype = np.float32
    _output_dtypes = ("float32",)
    _takes_mask = True

    _parameter_constraints: dict = {
        "noise_std": NOISE_STD,
        "gain": [Interval(Real, 0, None, closed="neither"), None],
        "fine_tune": ["boolean", StrOptions({"auto", *TEACHERS})],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "self_ensemble": ["boolean"],
        "tile_size": [Interval(Integral, 1, None, closed="left"), None],
        "weights": [str, PathLike, None],
        "device": [str],
        "precision": [StrOptions({"auto", "float32", "bfloat16"})],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
        "ndim": NDIM,
        "data_range": DATA_RANGE,
        "clip": ["boolean"],
    }

    def __init__(
        self,
        noise_std: float | str = "auto",
        *,
        gain: float | None = None,
        fine_tune: bool | str = "auto",
        max_epochs: int = 5,
        lr: float = 1e-4,
        self_ensemble: bool = False,
        tile_size: int | None = 1024,
        weights: str | PathLike | None = None,
        device: str = "auto",
        precision: str = "auto",
        random_state: RandomState = None,
        verbose: int = 0,
        ndim: int = 2,
        data_range: float | None = None,
        clip: bool = False,
    ):
        self.noise_std = noise_std
        self.gain = gain
        self.fine_tune = fine_tune
        self.max_epochs = max_epochs
        self.lr = lr
        self.self_ensemble = self_ensemble
        self.tile_size = tile_size
        self.weights = weights
        self.device = device
        self.precision = precision
        self.random_state = random_state
        self.verbose = verbose
        self.ndim = ndim
        self.data_range = data_range
        self.clip = clip

    def predict(
        self,
        X: Images,
        mask: Images | None = None,
        noise_std: float | ArrayLike | Images | None = None,
    ) -> Restored:
        """Restore images.

        Parameters
        ----------
        X : array-like of shape (n_samples, *spatial[, n_channels]) or list of images
            Noisy images, in the units and with the channels of those in ``fit``.
        mask : array-like or list, of the shapes of X, default=None
            Weights of the pixels, bool or in [0, 1]; 0 marks a pixel that is dead,
            saturated or missing, and is filled from those around it. The channel axis
            may be left out.
        noise_std : float, array-like of shape (n_samples,) or of the shapes of X, \
                default=None
            Noise level of all images, of every image or of every pixel, in the units of
            X, instead of that of the estimator. The channel axis may be left out.
            Levels that differ much from one pixel to the next are better given as one
            number, their root mean square: the network knows smooth maps.

        Returns
        -------
        X_restored : ndarray or list, of the shapes of X
            Restored images in the units of X, float32.
        """
        check_is_fitted(self)
        images = self._check_X(X, reset=False)
        weights = self._check_mask(mask, images)
        levels = None
        if noise_std is not None:
            levels = check_noise_levels(noise_std, images)
        return images.map(self._restore_chunk, self._compute_dtype, weights, levels)

    def transform(
        self,
        X: Images,
        mask: Images | None = None,
        noise_std: float | ArrayLike | Images | None = None,
    ) -> Restored:
        """Restore images; the same as ``predict``, so that restorers chain.

        Parameters
        ----------
        X : array-like of shape (n_samples, *spatial[, n_channels]) or list of images
            Noisy images.
        mask : array-like or list, of the shapes of X, default=None
            Weights of the pixels, as in ``predict``.
        noise_std : float, array-like of shape (n_samples,) or of the shapes of X, \
                default=None
            Noise levels, as in ``predict``.

        Returns
        -------
        X_restored : ndarray or list, of the shapes of X
            Restored images in the units of X.
        """
        return self.predict(X, mask, noise_std)

    def fit_transform(
        self,
        X: Images,
        y: Images | None = None,
        mask: Images | None = None,
        noise_std: float | ArrayLike | Images | None = None,
    ) -> Restored:
        """Fit and restore the same images.

        Parameters
        ----------
        X : array-like of shape (n_samples, *spatial[, n_channels]) or list of images
            Noisy images.
        y : array-like or list, of the shapes of X, default=None
            Clean images.
        mask : array-like or list, of the shapes of X, default=None
            Weights of the pixels, as in ``fit`` and ``transform``.
        noise_std : float, array-like of shape (n_samples,) or of the shapes of X, \
                default=None
            Noise levels, as in ``transform``; ``fit`` does not see them.

        Returns
        -------
        X_restored : ndarray or list, of the shapes of X
            Restored images in the units of X.
        """
        fitted = self.fit(X, y, **given(mask=mask))
        return fitted.transform(X, mask, noise_std)

    def score(
        self,
        X: Images,
        y: Images | None = None,
        mask: Images | None = None,
        noise_std: float | ArrayLike | Images | None = None,
    ) -> float:
        """Restore images and compare them with the truth.

        Parameters
        ----------
        X : array-like of shape (n_samples, *spatial[, n_channels]) or list of images
            Noisy images.
        y : array-like or list, of the shapes of X
            Clean images.
        mask : array-like or list, of the shapes of X, default=None
            Weights of the pixels, as in ``predict``.
        noise_std : float, array-like of shape (n_samples,) or of the shapes of X, \
                default=None
            Noise levels, as in ``predict``.

        Returns
        -------
        score : float
            Mean over the images of the PSNR in decibels, relative to ``data_range_``.

        Raises
        ------
        ValueError
            If y is None: what needs no truth is ``skdeconv.estimation.risk_scorer``.
        """
        return self._score(X, y, mask=mask, noise_std=noise_std)

    def _restore_chunk(self, x, weight=None, level=None):
        with torch.inference_mode():
            restored = self._in_channels(self._restore, hide(x, weight), level, weight)
        return restored.clip(0, self.data_range_) if self.clip else restored

    def _fit(self, images, target, weights=None):
        if self.gain is not None and isinstance(self.noise_std, str):
            raise ValueError(
                "noise_std must be a number where there is a gain: the deviation of "
                "the noise in the dark, 0 for counted photons alone; got 'auto'."
            )
        adaptable = self.gain is None and weights is None
        adapts = self.fine_tune
        if adapts == "auto":
            adapts = adaptable and target is not None
        if adapts and not adaptable:
            raise ValueError(
                "fine_tune adapts to noise on all pixels; with a gain or a mask "
                "pass fine_tune=False."
            )
        super()._fit(images, target, weights)
        supervision = None
        if target is None:
            supervision = adapts if adapts in TEACHERS else "sure"
        self.network_ = self._load(self.n_channels_, supervision)
        self._grey_network = None
        if self.weights is None and self._in_colour and not adapts:
            self._grey_network = self._load(1, supervision)
            self._grey_network.data_range_ = self.data_range_
        if adapts:
            if target is None and not isinstance(self.noise_std_, float):
                stacks, levels = self._stabilised(images)
            else:
                stacks = list(self._stacks(images))
                levels = np.broadcast_to(self.noise_std_, len(images))
            offsets = [
                into_range(stack, float(level), self.data_range_)
                for stack, level in zip(stacks, levels, strict=True)
            ]
            clean = None
            if target is not None:
                clean = self._planes(self._stacks(target), offsets)
            self.network_._sow(draw_seed(self.random_state))
            self.network_.fit(self._planes(stacks, offsets), clean)
        self.network_.data_range_ = self.data_range_

    def _load(self, n_channels, supervision) -> DeconvRestorer:
        """The network as it comes, and how it would be trained on."""
        level = getattr(self, "noise_std_", None)
        options = ADAPTING | {
            "lr": self.lr,
            "max_epochs": self.max_epochs,
            "supervision": supervision,
            "noise_std": level if isinstance(level, float) else "auto",
            "data_range": self.data_range_,
            "random_state": self.random_state,
            "device": self.device,
            "precision": self.precision,
            "verbose": self.verbose,
        }
        return load_denoiser(self.weights, n_channels, "weights", **options)

    @property
    def _takes_planes(self):
        return not self._in_colour or self._grey_network is not None

    @property
    def _in_colour(self):
        return self.network_.n_channels_ == 3

    def _stacks(self, images):
        """The planes of every image."""
        return (as_planes(x, self._in_colour)[0] for x in images.images(np.float32))

    def _stabilised(self, images):
        """Planes and noise levels as the network sees them in ``predict``."""
        seen = []

        def see(x, level):
            seen.append((as_planes(x, self._in_colour)[0], level.mean()))
            return x

        for x in images.images(np.float32):
            denoise_stabilised(see, x, self.data_range_)
        return zip(*seen, strict=True)

    def _planes(self, stacks, offsets):
        """Planes as images for the network, each with its offset."""
        planes = []
        for stack, offset in zip(stacks, offsets, strict=True):
            stack = stack + offset
            stack = stack.movedim(1, -1) if self._in_colour else stack[:, 0]
            planes.extend(stack.numpy())
        return planes

    def _denoise(self, x: Tensor, noise_std: Tensor, weight=None) -> Tensor:
        level = noise_std
        if level.ndim == 1:
            level = level.reshape(-1, *(1,) * (x.ndim - 1))
        level = level.expand_as(x)
        # The network would change a constant image a little, near its borders.
        axes = tuple(range(2, x.ndim))
        varies = x.amin(axes, keepdim=True) < x.amax(axes, keepdim=True)
        # Pixels of weight w have 1 / w of the variance.
        share = 1 if weight is None else weight.where(weight > 0, 1).sqrt()
        if self.gain is not None:
            stable = anscombe(x, self.gain, level.square())
            restored = self._apply(stable, torch.ones_like(x) / share)
            restored = inverse_anscombe(restored, self.gain, level.square())
            return torch.where(varies, restored, x)
        level = level / share
        return torch.where((level > 0) & varies, self._apply(x, level), x)

    def _apply(self, x, level):
        """Apply the network to planes, piece by piece."""
        network = self.network_
        if x.shape[1] == 1 and self._grey_network is not None:
            network = self._grey_network
        in_colour = network.n_channels_ == 3
        planes, back = as_planes(x, in_colour)
        levels, _ = as_planes(level, in_colour)
        levels = levels.square().mean(1, keepdim=True).sqrt()
        offset = 0
        if self.gain is None:  # photons are where photographs are
            level = levels.mean((1, 2, 3), keepdim=True)
            offset = into_range(planes, level, self.data_range_)
        module = network.net_.module_
        reach = getattr(module, "reach", None)
        restore = partial(
            in_tiles,
            lambda x, level: network._restore(x, level),
            size=self.tile_size if reach is not None else None,
            reach=reach or 0,
            multiple=getattr(module, "multiple", 1),
        )
        if self.self_ensemble:
            restore = partial(mean_over_turns, restore, ndim=2)
        return back(restore(planes + offset, levels) - offset)
