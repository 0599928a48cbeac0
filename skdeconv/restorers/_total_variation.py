"""Restoration by total variation."""

from numbers import Integral, Real

from numpy.typing import ArrayLike
from torch import Tensor

from skdeconv._params import Interval, StrOptions
from skdeconv.operators import Identity, LinearOperator
from skdeconv.operators._blur import BOUNDARIES
from skdeconv.restorers._base import DATA_RANGE, NDIM, OPERATOR, PSF, BaseRestorer
from skdeconv.restorers._inverse import InverseMixin
from skdeconv.restorers._varying_psf import VaryingPSFMixin
from skdeconv.solvers import SolverResult, total_variation

# Iterations that are enough to compare strengths, at the first and from one to the
# next; always so many, lest an image's choice depends on the others of its batch.
COLD, WARM = 50, 10


class TotalVariationRestorer(VaryingPSFMixin, InverseMixin, BaseRestorer):
    r"""Flat regions with sharp edges: the isotropic total variation.

    It minimises

    .. math:: \lVert A x - y \rVert^2 + \alpha R \sum_i \lVert (\nabla x)_i \rVert_2

    with the range `R` of the data (``data_range_``), and for `A` nothing (denoising), a
    blur (`psf`) or any operator: missing pixels are filled, coarse ones refined. To be
    preferred where edges matter and textures do not.

    Parameters
    ----------
    psf : array-like of one to three axes or None, default=None
        Point spread function, non-negative; normalised to sum 1. ``None`` only
        denoises, or inverts `operator`.
    alpha : float or "auto", default="auto"
        Weight of the penalty against the squared misfit, without unit; larger is
        smoother. ``"auto"`` takes the best PSNR where ``fit`` is given y; else it is
        chosen for each image that is restored, by generalised cross-validation, or by
        Stein's unbiased risk estimate where `noise_std` is given.
    operator : LinearOperator or None, default=None
        What to invert instead of a PSF; the answer has the shape of its domain, less
        what a ``Blur`` with boundary ``"extended"`` sees beyond the frame.
    noise_std : float or "auto", default="auto"
        Standard deviation of the noise in the units of X, which helps to choose
        `alpha`. ``"auto"`` does without.
    max_iter : int, default=500
        Most iterations.
    tol : float, default=2e-3
        Denoising of an image ends when its duality gap is below this fraction of its
        objective, the rest when primal and dual residuals are below this fraction of
        what they are residuals of.
    boundary : {"extended", "reflect", "periodic"}, default="extended"
        What lies beyond the frame when there is a PSF: an unknown larger scene, the
        image mirrored (``d c b a | a b c d``), or the image repeated.
    ndim : int, default=2
        Number of spatial axes where `psf` and `operator` are None; else theirs.
    data_range : float or None, default=None
        Span of the intensities; ``None`` takes it from the dtype (255 for uint8), or 1.
    clip : bool, default=False
        Whether to clip the answer to ``[0, data_range_]``.

    Attributes
    ----------
    alpha_ : float or ndarray of shape (n_samples,)
        The strength; an array describes the images of ``fit``, where each has its own.
    criterion_ : {"psnr", "gcv", "sure"}, ndarray of them of shape (n_samples,) or None
        What it was chosen by, an array where images differ; None where it was given.
    path_ : dict of ndarray or None
        Strengths that were looked at (``"alpha"``) and the criterion there
        (``"criterion"``), a row per image.
    psf_ : ndarray or None
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

    Warns
    -----
    OutlierWarning
        If, without a mask, the strength is chosen on an image with pixels that stand
        out as salt and pepper, hot or dead pixels do.
    PSFWarning
        If the strength is chosen, and an image of two or three axes plainly shows waves
        that the PSF takes away, as when the PSF is too wide. They count as noise then,
        unless its level is given.

    See Also
    --------
    WienerRestorer : Linear, and faster.
    SparseCodingRestorer : Keeps textures better, takes longer.

    Notes
    -----
    Channels are penalised independently. The strength of an image of more than 73728
    pixels, or 262144 voxels, is chosen on eight parts of it, of little, more and much
    detail, except where there is an `operator`.

    References
    ----------
    .. [1] L. I. Rudin, S. Osher, E. Fatemi, "Nonlinear total variation based noise
       removal algorithms", Physica D 60, 1992. :doi:`10.1016/0167-2789(92)90242-F`
    .. [2] A. Beck, M. Teboulle, "Fast gradient-based algorithms for constrained total
       variation image denoising and deblurring problems", IEEE Trans. Image Process.
       18(11), 2009. :doi:`10.1109/TIP.2009.2028250`
    .. [3] M. S. C. Almeida, M. A. T. Figueiredo, "Deconvolving images with unknown
       boundaries using the alternating direction method of multipliers", IEEE Trans.
       Image Process. 22(8), 2013. :doi:`10.1109/TIP.2013.2258354`

    Examples
    --------
    >>> import numpy as np
    >>> from skdeconv import TotalVariationRestorer
    >>> from skdeconv.datasets import load_photographs
    >>> clean = load_photographs("test").images[1][None, 100:196, 200:296]
    >>> noisy = clean + np.random.default_rng(0).normal(0, 25, clean.shape)
    >>> restorer = TotalVariationRestorer(data_range=255).fit(noisy)
    >>> bool(restorer.score(noisy, clean) > 26)
    True
    """

    _parameter_constraints: dict = {
        "psf": PSF,
        "alpha": [Interval(Real, 0, None, closed="left"), StrOptions({"auto"})],
        "operator": OPERATOR,
        "noise_std": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "boundary": [StrOptions(set(BOUNDARIES))],
        "ndim": NDIM,
        "data_range": DATA_RANGE,
        "clip": ["boolean"],
    }
    _span = (1e-5, 1e1)
    _of_range = True
    # Of less the strength would be so small that the iterations do not get there.
    _rounded = True

    def __init__(
        self,
        psf: ArrayLike | None = None,
        *,
        alpha: float | str = "auto",
        operator: LinearOperator | None = None,
        noise_std: float | str = "auto",
        max_iter: int = 500,
        tol: float = 2e-3,
        boundary: str = "extended",
        ndim: int = 2,
        data_range: float | None = None,
        clip: bool = False,
    ):
        self.psf = psf
        self.alpha = alpha
        self.operator = operator
        self.noise_std = noise_std
        self.max_iter = max_iter
        self.tol = tol
        self.boundary = boundary
        self.ndim = ndim
        self.data_range = data_range
        self.clip = clip

    def _fit(self, images, target, weights=None):
        self.n_iter_ = self.max_iter
        super()._fit(images, target, weights)

    def _scene(self, x, strength, weight, start=None) -> SolverResult:
        operator = self._operator()
        options = {"tol": self.tol, "max_iter": self.max_iter}
        if start is not None:
            options = {"tol": 0, "max_iter": WARM if start else COLD, "start": start}
            if weight is None and isinstance(operator, Identity):
                options = {"tol": 1e-3, "max_iter": 500}
        alpha = strength[:, None] * (self.data_range_ / 2)
        return total_variation(x, operator, alpha=alpha, weight=weight, **options)

    def _begin(self, level, spread) -> Tensor:
        share = 0.7
        if not self._only_denoises:
            share = 0.4 * (level / spread).clamp(0, 1).nan_to_num(1).sqrt()
        return 2 * share * level / self.data_range_
