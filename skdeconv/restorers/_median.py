"""Median filter."""

from numbers import Integral

from torch import Tensor

from skdeconv._params import Interval
from skdeconv.restorers._base import DATA_RANGE, NDIM, BaseRestorer
from skdeconv.solvers import median_filter


class MedianRestorer(BaseRestorer):
    r"""Median of the window around every pixel.

    To be preferred for outliers: salt and pepper, dead and hot pixels. Borders are
    mirrored, as in ``scipy.ndimage.median_filter(mode="reflect")``.

    Parameters
    ----------
    size : int, default=3
        Length of the window along every axis in pixels.
    ndim : int, default=2
        Number of spatial axes.
    data_range : float or None, default=None
        Span of the intensities, for `score` and `clip`; ``None`` takes it from the
        dtype (255 for uint8), or 1.
    clip : bool, default=False
        Whether to clip the answer to ``[0, data_range_]``.

    Attributes
    ----------
    data_range_ : float
        Span of the intensities.
    n_channels_ : int
        Number of channels seen in ``fit``.
    n_features_in_ : int
        Length of the signals seen in ``fit``; only with one spatial axis.

    Raises
    ------
    ValueError
        If data or parameters are wrong.

    See Also
    --------
    BilateralRestorer : For Gaussian noise.
    NonLocalMeansRestorer : For Gaussian noise, where structures repeat.

    Notes
    -----
    Pixels that ``mask`` marks as unknown do not count, and the median of pixels with
    weights is the first value up to which the weights pass half their sum. A gap as
    large as the window is filled from its rim inwards; an image of which nothing is
    known is restored as zero.

    References
    ----------
    .. [1] D. R. K. Brownrigg, "The weighted median filter", Communications of the ACM
       27(8), 1984. :doi:`10.1145/358198.358222`

    Examples
    --------
    >>> import numpy as np
    >>> from skdeconv import MedianRestorer
    >>> from skdeconv.datasets import load_photographs
    >>> clean = load_photographs("test").images[1][None, 100:196, 200:296]
    >>> hot = np.random.default_rng(0).random(clean.shape) < 0.1
    >>> noisy = np.where(hot, 255, clean)
    >>> restorer = MedianRestorer().fit(noisy)
    >>> bool(restorer.score(noisy, clean) > 26)
    True
    """

    _parameter_constraints: dict = {
        "size": [Interval(Integral, 1, None, closed="left")],
        "ndim": NDIM,
        "data_range": DATA_RANGE,
        "clip": ["boolean"],
    }

    _takes_mask = True

    def __init__(
        self,
        size: int = 3,
        *,
        ndim: int = 2,
        data_range: float | None = None,
        clip: bool = False,
    ):
        self.size = size
        self.ndim = ndim
        self.data_range = data_range
        self.clip = clip

    def _restore(self, x: Tensor, noise_std=None, weight: Tensor | None = None):
        return median_filter(x, self.size, weight=weight).x
