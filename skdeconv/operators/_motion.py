"""Point spread functions of camera motion."""

from math import ceil

import numpy as np
from scipy.signal import lfilter

from skdeconv.operators._psf import _number


def motion_psf(
    length: float, angle: float = 0.0, *, shake: float = 0.0, random_state=None
) -> np.ndarray:
    r"""Follow a moving camera: a straight line or a shaken path.

    The camera's velocity during the exposure is a drift plus inert noise,

    .. math:: v(t) = u + \text{shake} \cdot \xi(t), \qquad
        u = (\cos\text{angle}, \sin\text{angle}),

    where :math:`\xi` is an Ornstein-Uhlenbeck process of unit variance per axis and a
    correlation time of 0.15 exposures. The path is scaled to `length`, moved so that
    its centre of mass lies in the central pixel's middle, and laid on the pixels by
    linear interpolation; slow parts weigh more.

    Parameters
    ----------
    length : float
        Length of the path in pixels.
    angle : float, default=0.0
        Direction of the drift in degrees, counter-clockwise from the horizontal (last)
        axis as seen with the first row on top.
    shake : float, default=0.0
        Strength of the noise against the drift: 0 is a straight line, 1 a path that
        still advances, 5 and more a wander without preferred direction.
    random_state : int, Generator, RandomState or None, default=None
        Makes a shaken path reproducible. None takes fresh entropy and leaves NumPy's
        global generator alone.

    Returns
    -------
    psf : ndarray of float64, of the smallest odd shape that holds the path
        Non-negative, of sum 1, centred.

    Raises
    ------
    ValueError
        If `length` is not positive, `shake` is negative, one of the numbers is not
        finite, or `random_state` is none of the above.

    References
    ----------
    .. [1] G. Boracchi and A. Foi, "Modeling the performance of image restoration from
       motion blur", IEEE Transactions on Image Processing 21(8), 2012.
       :doi:`10.1109/TIP.2012.2192126`

    Examples
    --------
    >>> from skdeconv.operators import motion_psf
    >>> motion_psf(3).round(3)
    array([[0.042, 0.292, 0.333, 0.292, 0.042]])
    >>> motion_psf(30, angle=45, shake=2, random_state=0).ndim
    2
    """
    length, angle = _number("length", length), _number("angle", angle, low=-np.inf)
    shake = _number("shake", shake, inclusive=True)
    n_steps = max(256, ceil(32 * length))
    direction = np.array([-np.sin(np.deg2rad(angle)), np.cos(np.deg2rad(angle))])
    velocity = np.tile(direction, (n_steps, 1))
    if shake > 0:
        rng = _generator(random_state)
        kept = np.exp(-1 / (0.15 * n_steps))
        noise = rng.standard_normal((n_steps, 2)) * np.sqrt(1 - kept**2)
        noise[0] /= np.sqrt(1 - kept**2)
        velocity += shake * lfilter([1], [1, -kept], noise, axis=0)
    velocity *= length / np.linalg.norm(velocity, axis=1).sum()
    path = np.cumsum(velocity, axis=0)
    return _lay(path - path.mean(axis=0))


def _lay(path):
    """Share each point among the four pixels around it; keeps the centre of mass."""
    path = path.round(9)  # a horizontal path has one row, whatever sin(180) gives
    half = np.ceil(np.abs(path).max(axis=0)).astype(int)
    psf = np.zeros(2 * half + 1)
    corner = np.floor(path).astype(int)
    part = path - corner
    for step in np.ndindex(2, 2):
        weight = np.prod(np.where(step, part, 1 - part), axis=1)
        hit = weight > 0
        np.add.at(psf, tuple((corner + step + half)[hit].T), weight[hit])
    return psf / psf.sum()


def _generator(random_state):
    if isinstance(random_state, np.random.RandomState):
        return np.random.default_rng(random_state.randint(2**31, size=4))
    try:
        return np.random.default_rng(random_state)
    except (TypeError, ValueError):
        raise ValueError(
            "random_state must be a non-negative int, a Generator, a RandomState or "
            f"None, got {random_state!r}."
        ) from None
