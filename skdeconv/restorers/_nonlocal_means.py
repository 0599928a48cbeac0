"""Non-local means."""

from numbers import Integral, Real

from torch import Tensor

from skdeconv._params import Interval
from skdeconv.restorers._base import DATA_RANGE, NDIM
from skdeconv.restorers._denoiser import Denoiser
from skdeconv.restorers._noise import NOISE_STD
from skdeconv.solvers import nonlocal_means


class NonLocalMeansRestorer(Denoiser):
    r"""Average of pixels whose surroundings look alike.

    .. math:: x_p \propto \sum_q \exp\Bigl(
        -\frac{(d^2_{pq} - 2 \sigma^2)_+}{k^2 \sigma^2} \Bigr) y_q

    with the mean squared difference :math:`d^2` of the patches around two pixels, of
    which the noise explains :math:`2 \sigma^2`. To be preferred where structures repeat
    nearby.

    Parameters
    ----------
    noise_std : float or "auto", default="auto"
        Standard deviation of the noise, in the units of X. ``"auto"`` takes it from the
        pairs where ``fit`` is given y, else estimates it for each image that is
        restored. Noise that plainly grows with the intensity, as of counted
        photons, is then brought to one level first.
    patch_size : int, default=5
        Length of the patches along every axis in pixels, odd.
    search_radius : int, default=6
        Largest displacement, along every axis, of the pixels that are averaged.
    strength : float, default=0.75
        The factor k; larger is smoother.
    refine : bool, default=True
        Whether a second pass compares smaller patches, of the average of the noisy
        image and the first answer. It takes as long as the first.
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
    BilateralRestorer : Compares pixels; faster.
    SparseCodingRestorer : Learns what patches are made of.
    WaveletRestorer : Faster.

    Notes
    -----
    Time grows with the number of displacements, ``(2 * search_radius + 1) ** ndim``;
    volumes want a smaller radius than photographs.

    References
    ----------
    .. [1] A. Buades, B. Coll, J. M. Morel, "A review of image denoising algorithms,
       with a new one", Multiscale Model. Simul. 4(2), 2005. :doi:`10.1137/040616024`

    Examples
    --------
    >>> import numpy as np
    >>> from skdeconv import NonLocalMeansRestorer
    >>> from skdeconv.datasets import load_photographs
    >>> clean = load_photographs("test").images[1][None, 100:196, 200:296]
    >>> noisy = clean + np.random.default_rng(0).normal(0, 25, clean.shape)
    >>> restorer = NonLocalMeansRestorer(data_range=255).fit(noisy)
    >>> bool(restorer.score(noisy, clean) > 26)
    True
    """

    _parameter_constraints: dict = {
        "noise_std": NOISE_STD,
        "patch_size": [Interval(Integral, 1, None, closed="left")],
        "search_radius": [Interval(Integral, 1, None, closed="left")],
        "strength": [Interval(Real, 0, None, closed="neither")],
        "refine": ["boolean"],
        "ndim": NDIM,
        "data_range": DATA_RANGE,
        "clip": ["boolean"],
    }

    def __init__(
        self,
        *,
        noise_std: float | str = "auto",
        patch_size: int = 5,
        search_radius: int = 6,
        strength: float = 0.75,
        refine: bool = True,
        ndim: int = 2,
        data_range: float | None = None,
        clip: bool = False,
    ):
        self.noise_std = noise_std
        self.patch_size = patch_size
        self.search_radius = search_radius
        self.strength = strength
        self.refine = refine
        self.ndim = ndim
        self.data_range = data_range
        self.clip = clip

    def _fit(self, images, target, weights=None):
        if self.patch_size % 2 == 0:
            raise ValueError(f"patch_size must be odd, got {self.patch_size}.")
        super()._fit(images, target, weights)

    def _denoise(self, x: Tensor, noise_std: Tensor) -> Tensor:
        return nonlocal_means(
            x,
            noise_std,
            patch_size=self.patch_size,
            search_radius=self.search_radius,
            strength=self.strength,
            refine=self.refine,
        ).x
