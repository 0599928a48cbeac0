"""Restoration by iterative least squares."""

from dataclasses import replace
from numbers import Integral, Real

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor

from skdeconv._params import Interval, StrOptions
from skdeconv.operators import LinearOperator
from skdeconv.operators._blur import BOUNDARIES
from skdeconv.operators._scene import crop
from skdeconv.restorers._base import (
    DATA_RANGE,
    NDIM,
    OPERATOR,
    PSF,
    BaseRestorer,
)
from skdeconv.restorers._inverse import InverseMixin
from skdeconv.restorers._stopping import StoppingMixin
from skdeconv.restorers._varying_psf import VaryingPSFMixin
from skdeconv.solvers import (
    SolverResult,
    least_squares,
    least_squares_of_least_risk,
)
from skdeconv.solvers._least_squares import METHODS

# Most iterations that "auto" looks at.
BUDGET = {"cg": 100, "fista": 300, "landweber": 1000}


class LeastSquaresRestorer(VaryingPSFMixin, StoppingMixin, InverseMixin, BaseRestorer):
    r"""Iterative least squares with a quadratic penalty, for any operator.

    It minimises

    .. math:: \lVert A x - y \rVert^2 + \alpha \lVert L x \rVert^2,

    on request with :math:`x \ge 0`, by iterations that only need `A` and its adjoint.
    To be preferred to the filter of :class:`WienerRestorer` for operators other than a
    blur, for positive answers and to regularise by stopping early.

    Parameters
    ----------
    psf : array-like of one to three axes or None, default=None
        Point spread function, non-negative; normalised to sum 1. ``None`` only
        denoises, or inverts `operator`.
    alpha : float or "auto", default="auto"
        Weight of the penalty against the squared misfit, without unit; larger is
        smoother. ``"auto"`` takes the best PSNR where ``fit`` is given y; else it is
        chosen for each image that is restored, by Stein's unbiased risk estimate, or
        by generalised cross-validation where there is an `operator` and no `noise_std`.
    operator : LinearOperator or None, default=None
        What to invert instead of a PSF; the answer has the shape of its domain, less
        what a ``Blur`` with boundary ``"extended"`` sees beyond the frame.
    method : {"cg", "landweber", "fista"}, default="cg"
        Conjugate gradients, gradient steps, or gradient steps with momentum that never
        let the objective rise: each takes fewer iterations than the one before in the
        order ``"landweber"``, ``"fista"``, ``"cg"``.
    nonnegative : bool, default=False
        Whether the answer is kept from falling below 0; not for ``"cg"``.
    regularizer : {"laplacian", "identity"}, default="laplacian"
        The penalty: L is the Laplacian, or x less its mean.
    noise_std : float or "auto", default="auto"
        Standard deviation of the noise in the units of X, by which `alpha` is chosen.
        ``"auto"`` estimates it; where a mask leaves too few pixels for that, and there
        is no `psf`, cross-validation chooses.
    max_iter : int or "auto", default=100
        Most iterations. ``"auto"`` regularises by stopping early, at a given `alpha`
        such as 0, and chooses as ``alpha="auto"`` does; it looks at up to 100, 300 and
        1000 iterations of ``"cg"``, ``"fista"`` and ``"landweber"``.
    tol : float, default=1e-4
        An image is done when an iteration lowers its objective by no more than this
        fraction. Not looked at where `max_iter` is ``"auto"``.
    boundary : {"extended", "reflect", "periodic"}, default="extended"
        What lies beyond the frame when there is a PSF: an unknown larger scene, the
        image mirrored (``d c b a | a b c d``), or the image repeated.
    ndim : int, default=2
        Number of spatial axes where `psf` and `operator` are None; else theirs.
    data_range : float or None, default=None
        Span of the intensities, for `score` and `clip`; ``None`` takes it from the
        dtype (255 for uint8), or 1.
    clip : bool, default=False
        Whether to clip the answer to ``[0, data_range_]``.

    Attributes
    ----------
    alpha_ : float or ndarray of shape (n_samples,)
        The strength; an array describes the images of ``fit``, where each has its own.
    criterion_ : {"psnr", "gcv", "sure"} or None
        What it was chosen by; None where it was given.
    path_ : dict of ndarray or None
        Strengths that were looked at (``"alpha"``) and the criterion there
        (``"criterion"``), a row per image; numbers of iterations (``"max_iter"``) where
        these were chosen.
    psf_ : ndarray or None
        The normalised PSF.
    n_iter_ : int or ndarray of int of shape (n_samples,)
        The budget of iterations, or what ``"auto"`` found for the pairs or for each
        image of ``fit``.
    data_range_ : float
        Span of the intensities.
    n_channels_ : int
        Number of channels seen in ``fit``.
    n_features_in_ : int
        Length of the signals seen in ``fit``; only with one spatial axis.

    Raises
    ------
    ValueError
        If data, PSF or parameters are wrong, the PSF is larger than an image,
        `nonnegative` meets ``method="cg"``, or both `alpha` and `max_iter` are
        ``"auto"``.

    Warns
    -----
    NoiseWarning
        If the estimate of the noise, by which ``"auto"`` goes, is doubtful: too
        much texture, or too few pixels that are neither constant nor saturated.
    OutlierWarning
        If, without a mask, the strength is chosen on an image with pixels that stand
        out as salt and pepper, hot or dead pixels do.
    PSFWarning
        If the strength is chosen, and an image of two or three axes plainly shows waves
        that the PSF takes away, as when the PSF is too wide. They count as noise then,
        unless its level is given.

    See Also
    --------
    WienerRestorer : The same for a blur, as a filter; faster.
    TotalVariationRestorer : Keeps edges sharper.

    Notes
    -----
    The iterations converge twice: at first towards the scene, coarse structures before
    fine ones, then away from it towards the minimiser, which for small `alpha` is full
    of amplified noise. With ``alpha=0`` the number of iterations is the strength,
    and ``max_iter="auto"`` chooses it.

    The `alpha` of an image of more than 73728 pixels, or 262144 voxels, is chosen on
    eight parts of it, of little, more and much detail, except where there is an
    `operator`.

    References
    ----------
    .. [1] M. Bertero, P. Boccacci, "Introduction to Inverse Problems in Imaging", IOP
       Publishing, 1998. :doi:`10.1887/0750304359`
    .. [2] A. Beck, M. Teboulle, "Fast gradient-based algorithms for constrained total
       variation image denoising and deblurring problems", IEEE Trans. Image Process.
       18(11), 2009. :doi:`10.1109/TIP.2009.2028250`

    Examples
    --------
    >>> from skdeconv import LeastSquaresRestorer
    >>> from skdeconv.datasets import load_photographs
    >>> from skdeconv.operators import Downsample
    >>> clean = load_photographs("test").images[1][None, 100:196, 200:296] / 255
    >>> shrink = Downsample(2, "area")
    >>> coarse = clean.reshape(1, 48, 2, 48, 2).mean((2, 4))
    >>> restorer = LeastSquaresRestorer(operator=shrink, alpha=1e-3).fit(coarse)
    >>> restorer.predict(coarse).shape
    (1, 96, 96)
    """

    _parameter_constraints: dict = {
        "psf": PSF,
        "alpha": [Interval(Real, 0, None, closed="left"), StrOptions({"auto"})],
        "operator": OPERATOR,
        "method": [StrOptions(set(METHODS))],
        "nonnegative": ["boolean"],
        "regularizer": [StrOptions({"laplacian", "identity"})],
        "noise_std": [Interval(Real, 0, None, closed="neither"), StrOptions({"auto"})],
        "max_iter": [Interval(Integral, 1, None, closed="left"), StrOptions({"auto"})],
        "tol": [Interval(Real, 0, None, closed="left")],
        "boundary": [StrOptions(set(BOUNDARIES))],
        "ndim": NDIM,
        "data_range": DATA_RANGE,
        "clip": ["boolean"],
    }
    _blind = "sure"

    def __init__(
        self,
        psf: ArrayLike | None = None,
        *,
        alpha: float | str = "auto",
        operator: LinearOperator | None = None,
        method: str = "cg",
        nonnegative: bool = False,
        regularizer: str = "laplacian",
        noise_std: float | str = "auto",
        max_iter: int | str = 100,
        tol: float = 1e-4,
        boundary: str = "extended",
        ndim: int = 2,
        data_range: float | None = None,
        clip: bool = False,
    ):
        self.psf = psf
        self.alpha = alpha
        self.operator = operator
        self.method = method
        self.nonnegative = nonnegative
        self.regularizer = regularizer
        self.noise_std = noise_std
        self.max_iter = max_iter
        self.tol = tol
        self.boundary = boundary
        self.ndim = ndim
        self.data_range = data_range
        self.clip = clip

    def _fit(self, images, target, weights=None):
        if self.nonnegative and self.method == "cg":
            raise ValueError(
                "nonnegative=True needs method 'landweber' or 'fista', got 'cg': "
                "conjugate gradients cannot be projected."
            )
        if self.max_iter != "auto":
            self.n_iter_ = self.max_iter
            super()._fit(images, target, weights)
            return
        if self.alpha == "auto":
            raise ValueError(
                "alpha and max_iter cannot both be 'auto', since either is the "
                "strength: give one of them, such as alpha=0."
            )
        self.alpha_ = float(self.alpha)
        self._stop(images, target, weights, self._criterion)

    def _solve(self, x, strength, noise_std=None, weight=None) -> Tensor:
        if isinstance(self.n_iter_, np.ndarray):
            return self._run_soundly(x, weight, noise_std).x
        return super()._solve(x, strength, noise_std, weight)

    def _options(self):
        return {
            "regularizer": self.regularizer,
            "method": self.method,
            "nonnegative": self.nonnegative,
        }

    def _scene(self, x, strength, weight, start=None) -> SolverResult:
        tol = self.tol if start is None else max(self.tol, 1e-3)
        return least_squares(
            x,
            self._operator(),
            alpha=strength[:, None],
            weight=weight,
            tol=0.0 if self.max_iter == "auto" else tol,
            max_iter=self.n_iter_,
            **self._options(),
        )

    def _run(self, x, weight, noise_std=None):
        spread = x.flatten(1).std(1, correction=0)
        noise_std, level = self._levels(x, spread, noise_std, weight)
        operator = self._operator()
        run = least_squares_of_least_risk(
            x,
            operator,
            level=level,
            noise_std=None if noise_std.isnan().all() else noise_std,
            weight=weight,
            alpha=self.alpha_,
            max_iter=BUDGET[self.method],
            **self._options(),
        )
        return replace(run, x=crop(run.x, operator))

    def _watch(self, x, weight, look):
        last = least_squares(
            x,
            self._operator(),
            alpha=self.alpha_,
            weight=weight,
            tol=0.0,
            max_iter=BUDGET[self.method],
            look=lambda scene: look(crop(scene, self._operator())),
            **self._options(),
        ).x
        return crop(last, self._operator())

    def _begin(self, level, spread) -> Tensor:
        return 2 * (level / spread).square().clamp(1e-5, 1).nan_to_num(1)
