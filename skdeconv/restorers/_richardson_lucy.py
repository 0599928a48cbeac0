"""Maximum likelihood under Poisson noise."""

from itertools import islice
from numbers import Integral, Real

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from skdeconv._params import Interval, StrOptions
from skdeconv.estimation import estimate_noise_variance
from skdeconv.estimation._noise import mean_intensity
from skdeconv.operators._blur import BOUNDARIES
from skdeconv.operators._grids import frame
from skdeconv.restorers._base import DATA_RANGE, BaseRestorer
from skdeconv.restorers._noise import warn_of_doubt
from skdeconv.restorers._noise_behind import noise_behind, warn_of_misfit
from skdeconv.restorers._stopping import StoppingMixin
from skdeconv.restorers._varying_psf import VaryingPSFMixin
from skdeconv.solvers import richardson_lucy, richardson_lucy_of_least_risk
from skdeconv.solvers._richardson_lucy import scenes

# Most iterations that "auto" runs: more than noise that can be seen allows.
BUDGET = 100

# Where the noise does not plainly grow with the intensity, its mean variance is at most
# so many times that of the level.
MOST = 1.3


class RichardsonLucyRestorer(VaryingPSFMixin, StoppingMixin, BaseRestorer):
    r"""Richardson-Lucy deconvolution, accelerated and right at the borders.

    It climbs the likelihood of Poisson noise,

    .. math:: \sum_i y_i \log (h * x + b)_i - (h * x + b)_i, \qquad x \ge 0,

    by multiplicative steps, and regularises by stopping early, where the noise says so,
    or by a penalty on the total variation of x. To be preferred for photon counts, as
    in fluorescence microscopy and astronomy.

    Parameters
    ----------
    psf : array-like of one to three axes
        Point spread function, non-negative; normalised to sum 1.
    max_iter : int or "auto", default="auto"
        Iterations; more is sharper and noisier. With `acceleration` one does the work
        of several. ``"auto"`` looks at up to 100: ``fit(X, y)`` takes the number of
        the best mean PSNR on the pairs; without `y`, each part of an image gets its own
        number from its own noise, in ``predict`` anew. That is better than the best one
        number: smooth parts need fewer. Images of more than 2 million pixels get one
        number each.
    tv_weight : float, default=0
        Weight of the total variation against the negative log-likelihood, without unit;
        larger is smoother. Up to about 0.1 for photon counts.
    background : float, default=0
        Light in the data that did not come through the blur, in units of X. The answer
        is without it.
    acceleration : bool, default=True
        Whether to extrapolate between iterations.
    tol : float, default=0
        An image is finished when its relative change in one iteration is below; 0 runs
        all iterations. Only with a number for `max_iter`.
    boundary : {"extended", "reflect", "periodic"}, default="extended"
        What lies beyond the frame: an unknown larger scene, the image mirrored
        (``d c b a | a b c d``), or the image repeated.
    data_range : float or None, default=None
        Span of the intensities, for `score` and `clip`; ``None`` takes it from the
        dtype (255 for uint8), or 1.
    clip : bool, default=False
        Whether to clip the answer to ``[0, data_range_]``.

    Attributes
    ----------
    psf_ : ndarray
        The normalised PSF.
    n_iter_ : int or ndarray of int of shape (n_samples,)
        Iterations: `max_iter`, or what ``"auto"`` found for the pairs, or for each
        image of ``fit`` as a whole.
    criterion_ : {"psnr", "risk"} or None
        What ``"auto"`` chose by: the mean PSNR on the pairs (largest), or the
        predictive risk (smallest); None where `max_iter` is a number.
    path_ : dict of ndarray or None
        ``"max_iter"`` and ``"criterion"`` there, of shape (n_samples or 1, n_values);
        NaN where an image had stopped.
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
        If the estimate of the noise, by which ``max_iter="auto"`` stops, is doubtful:
        too much texture, or too few pixels that are neither constant nor saturated.
    OutlierWarning
        If, with ``max_iter="auto"`` and no mask, an image has pixels that stand out as
        no blurred scene does.
    PSFWarning
        If, with ``max_iter="auto"``, an image of two or three axes plainly shows waves
        that the PSF takes away, as when the PSF is too wide. They count as noise then.

    See Also
    --------
    WienerRestorer : For Gaussian noise; linear and faster.

    Notes
    -----
    Negative data count as 0. The sum of the answer, weighted by the share of each pixel
    that the frame sees, equals the sum of the data where there is neither background
    nor penalty.

    The predictive risk estimates the error of the blurred answer against the data
    without their noise [5]_; it costs twice the iterations. Noise is taken as white
    with a variance linear in the intensity, which covers photon counts of unknown gain,
    Gaussian noise and both. A `mask` weights the terms of the likelihood.

    References
    ----------
    .. [1] W. H. Richardson, "Bayesian-based iterative method of image restoration", J.
       Opt. Soc. Am. 62(1), 1972. :doi:`10.1364/JOSA.62.000055`
    .. [2] L. B. Lucy, "An iterative technique for the rectification of observed
       distributions", Astron. J. 79, 1974. :doi:`10.1086/111605`
    .. [3] D. S. C. Biggs, M. Andrews, "Acceleration of iterative image restoration
       algorithms", Appl. Opt. 36(8), 1997. :doi:`10.1364/AO.36.001766`
    .. [4] M. Bertero, P. Boccacci, "A simple method for the reduction of boundary
       effects in the Richardson-Lucy approach to image deconvolution", Astron.
       Astrophys. 437, 2005. :doi:`10.1051/0004-6361:20052717`
    .. [5] S. Ramani, T. Blu, M. Unser, "Monte-Carlo SURE: a black-box optimization of
       regularization parameters for general denoising algorithms", IEEE Trans. Image
       Process. 17(9), 2008. :doi:`10.1109/TIP.2008.2001404`
    .. [6] N. Dey et al., "Richardson-Lucy algorithm with total variation regularization
       for 3D confocal microscope deconvolution", Microsc. Res. Tech. 69(4), 2006.
       :doi:`10.1002/jemt.20294`

    Examples
    --------
    >>> from skdeconv import RichardsonLucyRestorer
    >>> from skdeconv.datasets import load_photographs
    >>> from skdeconv.degradations import Degradation, PoissonNoise
    >>> from skdeconv.operators import Blur, disk_psf
    >>> psf = disk_psf(2.5)
    >>> degrade = Degradation([Blur(psf), PoissonNoise(0.1)], random_state=0)
    >>> observed, truth = degrade.pair(load_photographs("test").images[:1])
    >>> restorer = RichardsonLucyRestorer(psf, data_range=255).fit(observed)
    >>> bool(restorer.score(observed, truth) > 25)
    True
    """

    _parameter_constraints: dict = {
        "psf": ["array-like"],
        "max_iter": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "tv_weight": [Interval(Real, 0, None, closed="left")],
        "background": [Interval(Real, 0, None, closed="left")],
        "acceleration": ["boolean"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "boundary": [StrOptions(set(BOUNDARIES))],
        "data_range": DATA_RANGE,
        "clip": ["boolean"],
    }
    _takes_mask = True

    def __init__(
        self,
        psf: ArrayLike,
        *,
        max_iter: int | str = "auto",
        tv_weight: float = 0,
        background: float = 0,
        acceleration: bool = True,
        tol: float = 0,
        boundary: str = "extended",
        data_range: float | None = None,
        clip: bool = False,
    ):
        self.psf = psf
        self.max_iter = max_iter
        self.tv_weight = tv_weight
        self.background = background
        self.acceleration = acceleration
        self.tol = tol
        self.boundary = boundary
        self.data_range = data_range
        self.clip = clip

    def _fit(self, images, target, weights=None):
        self.n_iter_, self.criterion_, self.path_ = self.max_iter, None, None
        if self.max_iter == "auto":
            self._stop(images, target, weights, "risk")

    def _restore(self, x: Tensor, noise_std=None, weight=None) -> Tensor:
        if isinstance(self.n_iter_, np.ndarray):
            return self._run_soundly(x, weight).x
        return richardson_lucy(
            x,
            self._blur(),
            weight=weight,
            max_iter=self.n_iter_,
            tol=0 if self.max_iter == "auto" else self.tol,
            **self._options(),
        ).x

    def _options(self):
        return {
            "background": float(self.background),
            "tv_weight": float(self.tv_weight),
            "acceleration": self.acceleration,
        }

    def _run(self, x, weight, noise_std=None):
        noise = noise_behind(self.psf_, x, self.data_range_, weight)
        warn_of_doubt(
            x,
            noise.level,
            noise.reliability,
            self.data_range_,
            "max_iter",
            weight,
            blurred=True,
        )
        warn_of_misfit(noise.unexplained)
        constant, gain = estimate_noise_variance(x, self.psf_.ndim, weight)
        # Texture makes it too large; a level that is the same everywhere knows better.
        mean = constant + gain * mean_intensity(x, weight)
        share = MOST * noise.level.square() / mean.clamp_min(torch.finfo(x.dtype).tiny)
        known = ~noise.grows & (noise.level > 0)
        factor = noise.factor.square() * share.clamp_max(1).where(known, 1)
        return richardson_lucy_of_least_risk(
            x,
            self._blur(),
            (factor * constant + noise.unexplained.square(), factor * gain),
            weight=weight,
            max_iter=BUDGET,
            **self._options(),
        )

    def _watch(self, x, weight, look):
        steps = scenes(x, self._blur(), weight=weight, **self._options())
        seen = frame(tuple(x.shape[2:]))
        for scene in islice(steps, BUDGET):
            look(scene[seen])
        return scene[seen]
