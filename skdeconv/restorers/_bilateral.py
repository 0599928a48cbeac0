"""Bilateral filter."""

from numbers import Real

from torch import Tensor

from skdeconv._params import Interval
from skdeconv.restorers._base import DATA_RANGE, NDIM
from skdeconv.restorers._denoiser import Denoiser
from skdeconv.restorers._noise import NOISE_STD
from skdeconv.solvers import bilateral_filter


class BilateralRestorer(Denoiser):
    r"""Average of close pixels of like intensity.

    .. math:: x_p \propto \sum_q
        \exp\Bigl(-\frac{\|p - q\|^2}{2 s^2} - \frac{\|y_p - y_q\|^2}{2 C r^2}\Bigr) y_q

    with the range r, a multiple of the noise level, and C channels. Edges that rise by
    much more than r stay. To be preferred as a quick filter for weak noise.

    Parameters
    ----------
    noise_std : float or "auto", default="auto"
        Standard deviation of the noise, in the units of X. ``"auto"`` takes it from the
        pairs where ``fit`` is given y, else estimates it for each image that is
        restored. Noise that plainly grows with the intensity, as of counted
        photons, is then brought to one level first.
    strength : float, default=2.5
        The range r in multiples of the noise level; larger is smoother.
    spatial_std : float, default=1.5
        Width s of the weight of distances, in pixels; neighbours lie within three times
        as far along every axis.
    ndim : int, default=2
        Number of spatial axes.
    data_range : float or None, default=None
        Span of the intensities, for `score` and `clip`; ``None`` takes it from the
        dtype (255 for uint8), or 1.
    clip : bool, default=False
        Whether to clip the answer to ``[0, data_range_]``.

    Attributes
    ----------
    noise_std_ : float or ndarray of shape (n_samples,)
        The noise level; an array holds the estimates for the images of ``fit``.
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

    Warns
    -----
    NoiseWarning
        If the estimate for ``noise_std="auto"`` is doubtful: too much texture, or too
        few pixels that are neither constant nor saturated.
    OutlierWarning
        If an image has pixels that stand out as salt and pepper or hot pixels do.

    See Also
    --------
    NonLocalMeansRestorer : Compares patches; better, and slower.
    WaveletRestorer : Better for strong noise.

    References
    ----------
    .. [1] C. Tomasi, R. Manduchi, "Bilateral filtering for gray and color images", ICCV
       1998. :doi:`10.1109/ICCV.1998.710815`

    Examples
    --------
    >>> import numpy as np
    >>> from skdeconv import BilateralRestorer
    >>> from skdeconv.datasets import load_photographs
    >>> clean = load_photographs("test").images[1][None, 100:196, 200:296]
    >>> noisy = clean + np.random.default_rng(0).normal(0, 25, clean.shape)
    >>> restorer = BilateralRestorer(data_range=255).fit(noisy)
    >>> bool(restorer.score(noisy, clean) > 25)
    True
    """

    _parameter_constraints: dict = {
        "noise_std": NOISE_STD,
        "strength": [Interval(Real, 0, None, closed="left")],
        "spatial_std": [Interval(Real, 0, None, closed="neither")],
        "ndim": NDIM,
        "data_range": DATA_RANGE,
        "clip": ["boolean"],
    }

    def __init__(
        self,
        *,
        noise_std: float | str = "auto",
        strength: float = 2.5,
        spatial_std: float = 1.5,
        ndim: int = 2,
        data_range: float | None = None,
        clip: bool = False,
    ):
        self.noise_std = noise_std
        self.strength = strength
        self.spatial_std = spatial_std
        self.ndim = ndim
        self.data_range = data_range
        self.clip = clip

    def _denoise(self, x: Tensor, noise_std: Tensor) -> Tensor:
        range_std = self.strength * noise_std
        return bilateral_filter(x, range_std=range_std, spatial_std=self.spatial_std).x
