"""Linear restoration by a quadratic penalty."""

from math import prod
from numbers import Real

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from skdeconv._params import Interval, StrOptions
from skdeconv._warnings import warn_caller
from skdeconv.estimation import (
    image_power,
    linear_risks,
    lowest,
    periodogram,
)
from skdeconv.operators._blur import BOUNDARIES
from skdeconv.operators._fourier import radial_frequency
from skdeconv.restorers._base import DATA_RANGE, NDIM, PSF, BaseRestorer
from skdeconv.restorers._blurred_risk import least_blurred_risk
from skdeconv.restorers._noise import NOISE_STD, pair_noise_std
from skdeconv.restorers._noise_behind import least_noise
from skdeconv.restorers._parts import typical_parts
from skdeconv.restorers._strength import Choice, StrengthMixin
from skdeconv.restorers._varying_psf import VaryingPSFMixin
from skdeconv.solvers import wiener
from skdeconv.solvers._wiener import penalty_spectrum

# Bins of a learned spectrum, between one wave per so many pixels and the corner.
N_BINS, LONGEST = 24, 512

# Only boundary="reflect" with a motion PSF needs more than some tens.
MAX_ITER = 500

# Enough to compare strengths, which are looked at in so many steps of such a factor.
BRIEF, ROUNDS, RATIO = {"tol": 1e-3, "max_iter": 10}, 3, 3.0

# Noise counts there as at least this part of what rounding makes: of less, iterations
# that are brief tell nothing.
QUIET = 0.25

# Fewer data do not tell the error of a strength.
FEW = 256


class WienerRestorer(VaryingPSFMixin, StrengthMixin, BaseRestorer):
    r"""Linear deconvolution with a quadratic penalty (Wiener, Tikhonov, Hunt).

    It minimises, in closed form or by preconditioned conjugate gradients,

    .. math:: \lVert h * x - y \rVert^2 + \alpha \lVert L x \rVert^2

    and is to be preferred where speed and linearity matter: one or a few Fourier
    transforms per image.

    With ``regularizer="spectrum"`` the penalty is the ratio of the power spectra of
    noise and image, :math:`\alpha \, \sigma^2 / S(f)`: the filter of Wiener himself,
    with the least mean squared error of all linear ones. `S` is learned from the clean
    images given to ``fit``, or fitted to each image as a power law.

    Parameters
    ----------
    psf : array-like of one to three axes or None, default=None
        Point spread function, non-negative; normalised to sum 1. ``None`` only
        denoises.
    alpha : float or "auto", default="auto"
        Weight of the penalty against the squared misfit, without unit; larger is
        smoother. ``"auto"`` takes the best for the pairs where ``fit`` is given y, else
        that of the least expected error for each image.
    regularizer : {"laplacian", "identity", "spectrum"}, default="laplacian"
        The penalty: L is the Laplacian, x less its mean, or the noise-to-signal ratio.
    noise_std : float or "auto", default="auto"
        Standard deviation of the noise, in the units of X, for ``alpha="auto"`` and for
        the spectrum. ``"auto"`` estimates it for each image.
    boundary : {"extended", "reflect", "periodic"}, default="extended"
        What lies beyond the frame: an unknown larger scene, the image mirrored
        (``d c b a | a b c d``), or the image repeated. Without a PSF nothing leaks in
        from beyond, and ``"extended"`` is ``"reflect"``.
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
    alpha_ : float or ndarray of shape (n_samples,)
        The strength; an array holds the choices for the images of ``fit``.
    criterion_ : {"psnr", "sure", "risk"} or None
        What chose it: the PSNR of the pairs, Stein's unbiased risk estimate for the
        blurred answer, the expected squared error, or nothing.
    path_ : dict or None
        The strengths looked at under ``"alpha"`` and the criterion there under
        ``"criterion"``, a row per image or one for the pairs.
    spectrum_ : tuple of two ndarrays of shape (24,) or None
        Frequencies in cycles per pixel and the power of clean images there, learned
        from y for ``regularizer="spectrum"``.
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
        If, without a mask, the strength is chosen on an image with pixels that stand
        out as salt and pepper, hot or dead pixels do.
    PSFWarning
        If the strength is chosen, and an image of two or three axes plainly shows waves
        that the PSF takes away, as when the PSF is too wide. They count as noise then,
        unless its level is given.
    ConvergenceWarning
        If the iterations for ``"reflect"`` or ``"extended"`` do not settle.

    See Also
    --------
    RichardsonLucyRestorer : For photon counts; the answer is positive.
    SparseCodingRestorer : Keeps edges sharper, takes longer.

    Notes
    -----
    The strength is that of least expected error of the linear filter, for the power of
    each wave as the data tell it, with a power law fitted by maximum likelihood
    (Whittle's) where the blur leaves it below the noise. With the Laplacian and 256
    data or more, strengths near that one are compared by Stein's unbiased risk estimate
    [3]_ for the blurred answer, on eight parts of large images. The mean loss against
    the best alpha is measured by ``examples/benchmarks/automatic_strength.py``.

    ``"periodic"`` needs one pair of Fourier transforms per image, and so does
    ``"reflect"`` where the PSF is symmetric along every axis.

    References
    ----------
    .. [1] B. R. Hunt, "The application of constrained least squares estimation to
       image restoration by digital computer", IEEE Trans. Comput. C-22(9), 1973.
       :doi:`10.1109/TC.1973.5009169`
    .. [2] M. Bertero, P. Boccacci, "A simple method for the reduction of boundary
       effects in the Richardson-Lucy approach to image deconvolution", Astron.
       Astrophys. 437, 2005. :doi:`10.1051/0004-6361:20052717`
    .. [3] C. M. Stein, "Estimation of the mean of a multivariate normal distribution",
       Annals of Statistics 9(6), 1981. :doi:`10.1214/aos/1176345632`

    Examples
    --------
    >>> from skdeconv import WienerRestorer
    >>> from skdeconv.datasets import load_photographs
    >>> from skdeconv.degradations import Degradation, GaussianNoise
    >>> from skdeconv.operators import Blur, gaussian_psf
    >>> psf = gaussian_psf(1.6)
    >>> degrade = Degradation([Blur(psf), GaussianNoise(2.55)], random_state=0)
    >>> observed, truth = degrade.pair(load_photographs("test").images)
    >>> restorer = WienerRestorer(psf).fit(observed, truth)
    >>> bool(restorer.score(observed, truth) > 25)
    True
    """

    _parameter_constraints: dict = {
        "psf": PSF,
        "alpha": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
        "regularizer": [StrOptions({"laplacian", "identity", "spectrum"})],
        "noise_std": NOISE_STD,
        "boundary": [StrOptions(set(BOUNDARIES))],
        "ndim": NDIM,
        "data_range": DATA_RANGE,
        "clip": ["boolean"],
    }

    def __init__(
        self,
        psf: ArrayLike | None = None,
        *,
        alpha: float | str = "auto",
        regularizer: str = "laplacian",
        noise_std: float | str = "auto",
        boundary: str = "extended",
        ndim: int = 2,
        data_range: float | None = None,
        clip: bool = False,
    ):
        self.psf = psf
        self.alpha = alpha
        self.regularizer = regularizer
        self.noise_std = noise_std
        self.boundary = boundary
        self.ndim = ndim
        self.data_range = data_range
        self.clip = clip

    _takes_mask = True
    _span = (1e-6, 1e2)

    def _check_mask(self, mask, images):
        if mask is not None and self.boundary != "extended":
            raise ValueError(
                "mask needs boundary='extended', got one and boundary="
                f"{self.boundary!r}; LeastSquaresRestorer takes one with any."
            )
        return super()._check_mask(mask, images)

    def _fit(self, images, target, weights=None):
        self.spectrum_ = self._noise = None
        if self.regularizer == "spectrum" and target is not None:
            self.spectrum_ = _learn_spectrum(target, images.ndim)
            if isinstance(self.noise_std, str):
                self._noise = pair_noise_std(images, target, self.psf_, weights)
        super()._fit(images, target, weights)

    def _restore(self, x: Tensor, noise_std=None, weight=None) -> Tensor:
        if self.regularizer == "spectrum":
            noise_std = self._level(x, noise_std, weight)  # once for choice and penalty
        return super()._restore(x, noise_std, weight)

    def _solve(self, x: Tensor, strength, noise_std=None, weight=None) -> Tensor:
        result = wiener(
            x,
            self._leaky(),
            alpha=strength[(..., *(None,) * (x.ndim - 1))],
            regularizer=self._penalty(x, noise_std, weight),
            weight=weight,
            max_iter=MAX_ITER,
        )
        if not result.converged.all():
            warn_caller(
                f"Conjugate gradients did not converge in {MAX_ITER} iterations; a "
                "larger alpha or boundary='extended' helps.",
                ConvergenceWarning,
            )
        return result.x

    def _leaky(self):
        """The blur; None where nothing leaks in, whose mirrored form is closed."""
        closed = self.psf_ is None and self.boundary == "extended"
        return None if closed else self._blur()

    def _choose(self, x, noise_std=None, weight=None) -> Choice:
        level, shape = self._level(x, noise_std, weight), tuple(x.shape[2:])
        penalty = penalty_spectrum(shape, 1.0, self._penalty(x, level, weight), x)
        penalty = torch.as_tensor(penalty, dtype=x.dtype, device=x.device)
        if self.regularizer == "spectrum":
            penalty = penalty[:, 0]  # one level for all channels
            level = self._least_level(x, level)
        power, gain, _ = image_power(x, self._blur().psf, level)
        alphas, risks = linear_risks(power, gain, penalty, level, shape)
        found = lowest(alphas, risks), alphas.expand_as(risks), risks
        if self.regularizer != "laplacian" or prod(shape) < FEW:
            return Choice(*found, np.full(len(x), "risk"))
        found = self._least_risk(x, found[0], level, weight)
        return Choice(*found, np.full(len(x), "sure"))

    def _least_risk(self, x, guess, level, weight):
        """Strengths near a guess by the expected error of blurred answers."""
        dtype, blur, leaky = x.dtype, self._blur(), self._leaky()
        level = torch.maximum(level, QUIET * least_noise(x, self.data_range_)).float()
        x = x - x.mean(tuple(range(2, x.ndim)), keepdim=True)  # for want of digits
        x, weight = (None if v is None else v.float() for v in (x, weight))
        x, weight = typical_parts(x, weight, blur.psf)

        def restore(y, strength, weight):
            strength = strength[(..., *(None,) * (x.ndim - 1))]
            return wiener(y, leaky, alpha=strength, weight=weight, **BRIEF).x

        found = least_blurred_risk(
            restore, x, blur, guess.float(), level, weight, ratio=RATIO, rounds=ROUNDS
        )
        return tuple(part.to(dtype) for part in found)

    def _level(self, x, noise_std, weight):
        """Noise level per image: given by the caller, learned, fixed or estimated."""
        for level in (noise_std, self._noise, self.noise_std):
            if level is not None and not isinstance(level, str):
                return torch.as_tensor(level, dtype=x.dtype, device=x.device).expand(
                    len(x)
                )
        return self._automatic_noise_std(x, weight)

    def _least_level(self, x, level):
        """Levels from which on a blur can be inverted."""
        if self.psf is None:
            return level
        return torch.maximum(level, least_noise(x, self.data_range_))

    def _penalty(self, x, noise_std, weight):
        """The regulariser as the solver takes it."""
        if self.regularizer != "spectrum":
            return self.regularizer
        level = self._least_level(x, self._level(x, noise_std, weight))
        if self.spectrum_ is None:
            law = image_power(x, self._blur().psf, level)[2]
        each = (..., *(None,) * (x.ndim - 2))

        def penalty(frequency):
            if self.spectrum_ is None:
                power = law(frequency)
            else:
                power = _interpolate(frequency, *self.spectrum_)
            tiny = torch.finfo(x.dtype).eps ** 2
            return (level.square()[each] / power.clamp_min(tiny)).clamp_max(1e6)[
                :, None
            ]

        return penalty


def _learn_spectrum(clean, ndim):
    """Mean power of clean images in bins of frequency, equal in octaves."""
    edges = np.geomspace(1 / LONGEST, 0.5 * ndim**0.5, N_BINS)
    total, count = np.zeros(N_BINS), np.zeros(N_BINS)
    for batch in clean.tensors():
        shape = tuple(batch.shape[2:])
        power = periodogram(batch, ndim).mean(0).numpy().ravel()
        frequency = radial_frequency(shape).numpy().ravel()
        nearest = np.abs(np.log(np.maximum(frequency, 1e-9))[:, None] - np.log(edges))
        nearest = nearest.argmin(1)[frequency > 1 / max(shape)]
        power = power[frequency > 1 / max(shape)] * len(batch)
        total += np.bincount(nearest, power, N_BINS)
        count += np.bincount(nearest, minlength=N_BINS) * len(batch)
    known = count > 0
    if not known.any():
        return edges, np.ones(N_BINS)
    floor = np.finfo(float).tiny
    logs = np.log(np.maximum(total[known] / count[known], floor))
    return edges, np.exp(np.interp(np.log(edges), np.log(edges[known]), logs))


def _interpolate(frequency, edges, power):
    """Power at any frequency, linear in the logarithms and flat beyond the ends."""
    logs = np.interp(
        np.log(np.maximum(frequency.cpu().double().numpy(), edges[0])),
        np.log(edges),
        np.log(power),
    )
    return torch.from_numpy(np.exp(logs)).to(frequency)
