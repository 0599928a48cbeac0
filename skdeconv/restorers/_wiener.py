"""Linear restoration by a quadratic penalty."""

import warnings
from numbers import Real

from numpy.typing import ArrayLike
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from skdeconv._params import Interval, StrOptions
from skdeconv.operators._blur import BOUNDARIES
from skdeconv.restorers._base import DATA_RANGE, NDIM, PSF, BaseRestorer
from skdeconv.solvers import wiener

# Only boundary="reflect" with a motion PSF needs more than some tens.
MAX_ITER = 500


class WienerRestorer(BaseRestorer):
    r"""Linear deconvolution with a quadratic penalty (Wiener, Tikhonov, Hunt).

    It minimises, in closed form or by preconditioned conjugate gradients,

    .. math:: \lVert h * x - y \rVert^2 + \alpha \lVert L x \rVert^2

    and is to be preferred where speed and linearity matter: one or a few Fourier
    transforms per image.

    Parameters
    ----------
    psf : array-like of one to three axes or None, default=None
        Point spread function, non-negative; normalised to sum 1. ``None`` only
        denoises.
    alpha : float, default=1e-2
        Weight of the penalty against the squared misfit, without unit; larger is
        smoother.
    regularizer : {"laplacian", "identity"}, default="laplacian"
        The penalty: L is the Laplacian, or x less its mean.
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
    ConvergenceWarning
        If the iterations for ``"reflect"`` or ``"extended"`` do not settle.

    See Also
    --------
    RichardsonLucyRestorer : For photon counts; the answer is positive.
    SparseCodingRestorer : Keeps edges sharper, takes longer.

    Notes
    -----
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
        "alpha": [Interval(Real, 0, None, closed="neither")],
        "regularizer": [StrOptions({"laplacian", "identity"})],
        "boundary": [StrOptions(set(BOUNDARIES))],
        "ndim": NDIM,
        "data_range": DATA_RANGE,
        "clip": ["boolean"],
    }

    def __init__(
        self,
        psf: ArrayLike | None = None,
        *,
        alpha: float = 1e-2,
        regularizer: str = "laplacian",
        boundary: str = "extended",
        ndim: int = 2,
        data_range: float | None = None,
        clip: bool = False,
    ):
        self.psf = psf
        self.alpha = alpha
        self.regularizer = regularizer
        self.boundary = boundary
        self.ndim = ndim
        self.data_range = data_range
        self.clip = clip

    def _restore(self, x: Tensor, noise_std=None, weight=None) -> Tensor:
        blur = self._blur()
        if self.psf_ is None and self.boundary == "extended":
            blur = None  # nothing leaks in, and the mirrored form is closed
        result = wiener(
            x,
            blur,
            alpha=self.alpha,
            regularizer=self.regularizer,
            max_iter=MAX_ITER,
        )
        if not result.converged.all():
            warnings.warn(
                f"Conjugate gradients did not converge in {MAX_ITER} iterations; a "
                "larger alpha or boundary='extended' helps.",
                ConvergenceWarning,
                stacklevel=6,
            )
        return result.x
