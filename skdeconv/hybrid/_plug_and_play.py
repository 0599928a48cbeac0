"""Restoration of anything with a denoiser as the prior."""

from itertools import cycle, islice
from numbers import Integral

import torch
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from torch import Tensor

from skdeconv._params import Interval, StrOptions
from skdeconv._warnings import warn_caller
from skdeconv.hybrid._denoisers import (
    default_denoiser,
    denoised,
    fitted_denoiser,
    is_trained,
)
from skdeconv.neural._ensembles import turns
from skdeconv.operators import Identity, LinearOperator
from skdeconv.operators._blur import BOUNDARIES
from skdeconv.operators._scene import crop
from skdeconv.restorers._base import DATA_RANGE, NDIM, OPERATOR, PSF, BaseRestorer
from skdeconv.restorers._denoiser import Denoiser
from skdeconv.restorers._noise import NOISE_STD
from skdeconv.restorers._varying_psf import VaryingPSFMixin
from skdeconv.solvers import plug_and_play
from skdeconv.solvers._plug_and_play import (
    as_strong_as_scenes,
    back_project,
    believed_noise,
    falling_levels,
)

# Images whose turns do not settle are tried again, so often, as if their noise were so
# many times stronger.
RETRIES, ROUGHER = 3, 4.0


class PlugAndPlayRestorer(VaryingPSFMixin, Denoiser):
    r"""Undo a known degradation, with a denoiser as the knowledge of images.

    Turns of two steps, at noise levels that fall from turn to turn: the image nearby
    that explains the data, and a denoiser's answer to that image (half-quadratic
    splitting [1]_). One denoiser thus serves blur, down-sampling, missing pixels and
    what is composed of them, and no training is needed. To be preferred for what a PSF
    or an operator describes; without either it is the denoiser, and fills what a mask
    hides.

    Parameters
    ----------
    psf : array-like of one to three axes or None, default=None
        Point spread function, non-negative; normalised to sum 1. Not together with
        `operator`.
    operator : LinearOperator or None, default=None
        What made the images out of clean ones, such as :class:`operators.Downsample`
        or a composition with ``@``.
    denoiser : restorer, FrozenEstimator or None, default=None
        Any restorer with a ``noise_std`` that only denoises. It is cloned and fitted
        with the images, unless it is frozen or a trained network: those are taken as
        they are. None is a :class:`PretrainedDenoiser`.
    noise_std : float or "auto", default="auto"
        Standard deviation of the noise, in the units of X. ``"auto"`` takes it from the
        pairs where ``fit`` is given y, else estimates it for every image.
    max_iter : int, default=12
        Turns. 8 lose about 0.1 dB, and 0.5 dB where pixels are missing.
    boundary : {"extended", "periodic", "reflect"}, default="extended"
        What lies beyond the frame, where there is a `psf`: an unknown larger scene, the
        image repeated, or the image mirrored.
    ndim : int, default=2
        Number of spatial axes where there is neither `psf` nor `operator`.
    data_range : float or None, default=None
        Span of the intensities; ``None`` takes it from the dtype (255 for uint8), or 1.
        It tells the network how strong the noise is: give it for floats of other spans.
    clip : bool, default=False
        Whether to clip the answer to ``[0, data_range_]``.

    Attributes
    ----------
    denoiser_ : restorer
        The fitted denoiser.
    psf_ : ndarray or None
        The normalised PSF.
    noise_std_ : float or ndarray of shape (n_samples,)
        The noise level; an array holds the estimates for the images of ``fit``.
    n_iter_ : int
        Turns.
    data_range_ : float
        Span of the intensities.
    n_channels_ : int
        Number of channels seen in ``fit``.
    n_features_in_ : int
        Length of the signals seen in ``fit``; only with one spatial axis.

    Raises
    ------
    ValueError
        If data, PSF or parameters are wrong, or the denoiser is none.

    Warns
    -----
    ConvergenceWarning
        If the turns did not settle on an image: the denoiser still changed it by more
        than the noise level, or it reaches far below the data, since PSF, operator or
        `noise_std` do not fit them.
        Such an image is restored once more as if its noise were four times stronger,
        three times at most.
    OutlierWarning
        If an image without a mask has pixels that stand out as salt and pepper, hot or
        dead pixels do.
    PSFWarning
        If an image of two or three axes plainly shows waves that the PSF takes away, as
        when the PSF is too wide. For ``noise_std="auto"`` they count as noise.

    See Also
    --------
    UnrolledRestorer : The same turns as a network that is trained.
    BlockMatchingRestorer : Deblurs without any training.
    PretrainedDenoiser : The denoiser alone.

    Notes
    -----
    Levels fall evenly in decibels from 49/255 of the range to that of the noise, which
    counts as at least 1/500 of the range. Every turn sees the image flipped or turned
    in another way, so that no habit of the denoiser adds up. Data steps have closed
    forms for blurs, :class:`operators.Downsample` and masks; conjugate gradients do the
    others.

    References
    ----------
    .. [1] K. Zhang et al., "Plug-and-play image restoration with deep denoiser prior",
       IEEE TPAMI 44(10), 2022. :doi:`10.1109/TPAMI.2021.3088914`

    Examples
    --------
    >>> from skdeconv import Degradation, PlugAndPlayRestorer
    >>> from skdeconv.datasets import load_photographs
    >>> from skdeconv.degradations import GaussianNoise
    >>> from skdeconv.operators import Blur, motion_psf
    >>> clean = load_photographs("test").images[1][None, 100:228, 200:328]
    >>> psf = motion_psf(9, angle=30)
    >>> degrade = Degradation([Blur(psf), GaussianNoise(2.55)], random_state=0)
    >>> blurred, sharp = degrade.pair(clean)
    >>> restorer = PlugAndPlayRestorer(psf, data_range=255).fit(blurred)
    >>> bool(restorer.score(blurred, sharp) > 29)
    True
    """

    _parameter_constraints: dict = {
        "psf": PSF,
        "operator": OPERATOR,
        "denoiser": [BaseRestorer, FrozenEstimator, None],
        "noise_std": NOISE_STD,
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "boundary": [StrOptions(set(BOUNDARIES))],
        "ndim": NDIM,
        "data_range": DATA_RANGE,
        "clip": ["boolean"],
    }
    _takes_mask = True

    def __init__(
        self,
        psf: ArrayLike | None = None,
        operator: LinearOperator | None = None,
        *,
        denoiser: BaseEstimator | None = None,
        noise_std: float | str = "auto",
        max_iter: int = 12,
        boundary: str = "extended",
        ndim: int = 2,
        data_range: float | None = None,
        clip: bool = False,
    ):
        self.psf = psf
        self.operator = operator
        self.denoiser = denoiser
        self.noise_std = noise_std
        self.max_iter = max_iter
        self.boundary = boundary
        self.ndim = ndim
        self.data_range = data_range
        self.clip = clip

    def __sklearn_clone__(self):
        twin = super().__sklearn_clone__()
        if is_trained(self.denoiser):  # whose weights would be lost
            twin.denoiser = self.denoiser
        return twin

    def _fit(self, images, target, weights=None):
        self.n_iter_ = self.max_iter
        self.denoiser_ = fitted_denoiser(
            self.denoiser, images, target, self.data_range_
        )
        super()._fit(images, target, weights)

    @property
    def _compute_dtype(self):
        return self.denoiser_._compute_dtype

    @property
    def _takes_planes(self):
        return self.denoiser_.n_channels_ == 1 or self.denoiser_._takes_planes

    @property
    def _output_dtypes(self):
        denoiser = self.denoiser or default_denoiser()
        return getattr(denoiser, "estimator", denoiser)._output_dtypes

    def _denoise(self, x: Tensor, noise_std: Tensor, weight=None) -> Tensor:
        operator, x, noise_std = as_strong_as_scenes(self._operator(), x, noise_std)
        if weight is None and isinstance(operator, Identity):
            return denoised(self.denoiser_, x, noise_std, self.data_range_)
        noise_std = believed_noise(noise_std, x, self.data_range_)
        given, again = noise_std, None
        answer, settled = self._turns(x, operator, noise_std, weight)
        flat = (x.flatten(2).amin(2) == x.flatten(2).amax(2)).all(1)
        if flat.any():  # what the denoiser makes of it is not better
            answer[flat] = back_project(x, operator, weight)[0][flat]
            settled = settled | flat
        for _ in range(RETRIES):
            if settled.all():
                break
            again = ~settled
            noise_std = torch.where(again, ROUGHER * noise_std, noise_std)
            known = None if weight is None else weight[again]
            part = self._turns(x[again], operator, noise_std[again], known)
            answer[again], settled[again] = part
        if again is not None:
            warn_caller(
                "noise_std of about "
                f"{float(given[again].max()):.3g} does not explain what the psf or "
                "operator leaves of some images, so that their turns did not settle; "
                f"{float(noise_std.max()):.3g} was taken. The PSF may be too wide, or "
                "the noise stronger or coloured.",
                ConvergenceWarning,
            )
        return crop(answer, operator)

    def _turns(self, x, operator, noise_std, weight):
        """Scenes, and which of them the turns have settled on."""
        views = list(islice(cycle(turns(x.ndim - 2)), self.n_iter_))

        def denoise(scene, level, k):
            turn, turn_back = views[k]
            answer = denoised(self.denoiser_, turn(scene), level, self.data_range_)
            return turn_back(answer)

        result = plug_and_play(
            x,
            operator,
            denoise,
            noise_std=noise_std,
            levels=falling_levels(noise_std, self.n_iter_, x, self.data_range_),
            weight=weight,
        )
        return result.x, result.converged.all(1)
