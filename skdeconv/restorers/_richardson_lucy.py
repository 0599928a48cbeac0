"""Maximum likelihood under Poisson noise."""

from numbers import Integral, Real

from numpy.typing import ArrayLike
from torch import Tensor

from skdeconv._params import Interval, StrOptions
from skdeconv.operators._blur import BOUNDARIES
from skdeconv.restorers._base import DATA_RANGE, BaseRestorer
from skdeconv.solvers import richardson_lucy


class RichardsonLucyRestorer(BaseRestorer):
    r"""Richardson-Lucy deconvolution, accelerated and right at the borders.

    It climbs the likelihood of Poisson noise,

    .. math:: \sum_i y_i \log (h * x)_i - (h * x)_i, \qquad x \ge 0,

    by multiplicative steps, and regularises by stopping early. To be preferred for
    photon counts, as in fluorescence microscopy and astronomy.

    Parameters
    ----------
    psf : array-like of one to three axes
        Point spread function, non-negative; normalised to sum 1.
    max_iter : int, default=10
        Iterations; more is sharper and noisier. With `acceleration` one does the work
        of several.
    acceleration : bool, default=True
        Whether to extrapolate between iterations.
    tol : float, default=0
        An image is finished when its relative change in one iteration is below; 0 runs
        all iterations.
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

    See Also
    --------
    WienerRestorer : For Gaussian noise; linear and faster.

    Notes
    -----
    Negative data count as 0. The sum of the answer, weighted by the share of each pixel
    that the frame sees, equals the sum of the data.

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

    Examples
    --------
    >>> from skdeconv import RichardsonLucyRestorer
    >>> from skdeconv.datasets import load_photographs
    >>> from skdeconv.degradations import Degradation, PoissonNoise
    >>> from skdeconv.operators import Blur, disk_psf
    >>> psf = disk_psf(2.5)
    >>> degrade = Degradation([Blur(psf), PoissonNoise(0.1)], random_state=0)
    >>> observed, truth = degrade.pair(load_photographs("test").images)
    >>> restorer = RichardsonLucyRestorer(psf).fit(observed, truth)
    >>> bool(restorer.score(observed, truth) > 25)
    True
    """

    _parameter_constraints: dict = {
        "psf": ["array-like"],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "acceleration": ["boolean"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "boundary": [StrOptions(set(BOUNDARIES))],
        "data_range": DATA_RANGE,
        "clip": ["boolean"],
    }

    def __init__(
        self,
        psf: ArrayLike,
        *,
        max_iter: int = 10,
        acceleration: bool = True,
        tol: float = 0,
        boundary: str = "extended",
        data_range: float | None = None,
        clip: bool = False,
    ):
        self.psf = psf
        self.max_iter = max_iter
        self.acceleration = acceleration
        self.tol = tol
        self.boundary = boundary
        self.data_range = data_range
        self.clip = clip

    def _fit(self, images, target, weights=None):
        self.n_iter_ = self.max_iter

    def _restore(self, x: Tensor, noise_std=None, weight=None) -> Tensor:
        return richardson_lucy(
            x,
            self._blur(),
            max_iter=self.n_iter_,
            acceleration=self.acceleration,
            tol=self.tol,
        ).x
