"""Point spread functions: what is accepted as one, and those of lenses."""

from itertools import permutations
from math import ceil
from numbers import Real

import numpy as np
from scipy.special import j1

from skdeconv._warnings import warn_caller
from skdeconv.exceptions import PSFWarning

# Share of a PSF that its point reflection covers, from where on it is symmetric.
SYMMETRIC = 0.7


def check_psf(psf, *, warn: bool = False) -> np.ndarray:
    """Validate a point spread function and normalise it to sum 1.

    Parameters
    ----------
    psf : array-like of one to three axes
        Non-negative and finite.
    warn : bool, default=False
        Whether to warn about a sum more than 1 % off and a centre of mass that is
        plainly off ``size // 2``, by more than a pixel.

    Returns
    -------
    psf : ndarray of float64
        A copy with sum 1.
    """
    if np.iscomplexobj(psf):
        raise ValueError("psf must be real, got complex numbers.")
    try:
        kernel = np.array(psf, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"psf must be an array of numbers, got {psf!r}.") from error
    if kernel.ndim not in (1, 2, 3):
        raise ValueError(f"psf must have 1 to 3 axes, got shape {kernel.shape}.")
    if kernel.size == 0:
        raise ValueError(f"psf must not be empty, got shape {kernel.shape}.")
    if not np.isfinite(kernel).all():
        raise ValueError("psf must be finite, got NaN or infinity.")
    if kernel.min() < 0:
        raise ValueError(f"psf must be non-negative, its minimum is {kernel.min():g}.")
    total = kernel.sum()
    if not 0 < total < np.inf:
        raise ValueError(f"psf must have a finite positive sum, got {total:g}.")
    kernel /= total
    if not warn:
        return kernel
    if abs(total - 1) > 0.01:
        warn_caller(f"psf sums to {total:g} and was divided by it.", PSFWarning)
    shift = _off_centre(kernel)
    if shift is not None:
        off = ", ".join(f"{s:+.1f}" for s in shift)
        warn_caller(
            f"psf has its centre of mass ({off}) pixels off its centre size // 2; "
            "the restored image will be shifted by as much.",
            PSFWarning,
        )
    return kernel


def _off_centre(kernel: np.ndarray) -> list[float] | None:
    """Pixels from ``size // 2`` to the centre of mass, where plainly a mistake.

    A PSF that is symmetric about its centre of mass belongs there. The trace of a
    shaken camera begins and ends anywhere, and lies about its centre all the same.
    """
    grids = np.meshgrid(*map(np.arange, kernel.shape), indexing="ij")
    mass = [float((kernel * grid).sum()) for grid in grids]
    shift = [m - n // 2 for m, n in zip(mass, kernel.shape, strict=True)]
    if max(map(abs, shift)) < 1 + 1e-6:
        return None
    mirrored = [
        np.rint(2 * m).astype(int) - grid for m, grid in zip(mass, grids, strict=True)
    ]
    inside = np.logical_and.reduce(
        [(i >= 0) & (i < n) for i, n in zip(mirrored, kernel.shape, strict=True)]
    )
    partner = kernel[tuple(i[inside] for i in mirrored)]
    if np.minimum(kernel[inside], partner).sum() > SYMMETRIC:
        return shift
    spreads = [
        np.sqrt((kernel * (grid - m) ** 2).sum())
        for m, grid in zip(mass, grids, strict=True)
    ]
    far = any(abs(s) > max(1, w) for s, w in zip(shift, spreads, strict=True))
    return shift if far else None


def gaussian_psf(std, *, ndim: int = 2, truncate: float = 4.0) -> np.ndarray:
    """Sample a Gaussian at the pixel centres, as `scipy.ndimage.gaussian_filter`.

    Parameters
    ----------
    std : float or sequence of float
        Standard deviation in pixels, one for all axes or one for each. Much below half
        a pixel the samples tend to a single one.
    ndim : {1, 2, 3}, default=2
        Number of axes; with a sequence as `std` it must be its length or the default.
    truncate : float, default=4.0
        Half width in standard deviations, rounded up to whole pixels.

    Returns
    -------
    psf : ndarray of float64, of odd shape ``2 * ceil(truncate * std) + 1`` per axis
        Non-negative, of sum 1, centred.

    Raises
    ------
    ValueError
        If `std` or `truncate` is not positive and finite, or does not fit `ndim`.

    Examples
    --------
    >>> from skdeconv.operators import gaussian_psf
    >>> gaussian_psf(1.5).shape
    (13, 13)
    >>> gaussian_psf((2, 0.5, 0.5), truncate=3).shape
    (13, 5, 5)
    """
    if isinstance(std, Real):
        stds = [_number("std", std)] * _axes(ndim)
    else:
        stds = [_number("std", s) for s in _sequence("std", std)]
        if len(stds) not in (1, 2, 3) or ndim not in (2, len(stds)):
            raise ValueError(
                f"std must be a float or have one value per axis, ndim={ndim}, "
                f"got {std!r}."
            )
    truncate = _number("truncate", truncate)
    psf = np.ones(())
    for s in stds:
        half = ceil(truncate * s)
        profile = np.exp(-0.5 * (np.arange(-half, half + 1) / s) ** 2)
        psf = psf[..., None] * (profile / profile.sum())
    return psf


def disk_psf(radius: float, *, ndim: int = 2) -> np.ndarray:
    """Cover each pixel by its share of a disk: geometric defocus.

    Parameters
    ----------
    radius : float
        Radius in pixels. The variance along each axis is about that of the disk,
        ``radius**2 / (ndim + 2)``, plus 1/12 from the width of the pixels.
    ndim : {1, 2, 3}, default=2
        Number of axes: an interval, a disk or a ball.

    Returns
    -------
    psf : ndarray of float64, of odd shape ``2 * ceil(radius - 0.5) + 1`` per axis
        Non-negative, of sum 1, centred.

    Raises
    ------
    ValueError
        If `radius` is not positive and finite, or `ndim` is not 1, 2 or 3.

    Examples
    --------
    >>> from skdeconv.operators import disk_psf
    >>> disk_psf(1).round(3)
    array([[0.025, 0.145, 0.025],
           [0.145, 0.318, 0.145],
           [0.025, 0.145, 0.025]])
    """
    radius, ndim = _number("radius", radius), _axes(ndim)
    half = max(ceil(radius - 0.5), 0)
    size, fine = 2 * half + 1, 8 if ndim == 3 else 32
    # Exact along the last axis, so that the PSF is continuous in `radius`; sampled
    # along the others.
    squares = _fine_axis(size, fine) ** 2
    squares = sum(np.ix_(*[squares] * (ndim - 1)), np.zeros((1,) * (ndim - 1)))
    reach = np.sqrt(np.maximum(radius**2 - squares, 0))[..., None]
    edges = np.arange(size + 1) - size / 2
    psf = np.minimum(edges[1:], reach) - np.maximum(edges[:-1], -reach)
    psf = _bin(np.maximum(psf, 0), (fine,) * (ndim - 1) + (1,))
    psf = sum(psf.transpose(order) for order in permutations(range(ndim)))
    return psf / psf.sum()


def airy_psf(radius: float, *, size: int | None = None) -> np.ndarray:
    r"""Average the Airy pattern of a round, perfect lens over the pixels.

    .. math:: k(r) \propto \left( \frac{2 J_1(\rho)}{\rho} \right)^2, \qquad
        \rho = 3.8317 \, r / \text{radius}

    Parameters
    ----------
    radius : float
        Radius of the first dark ring in pixels: ``0.61 * wavelength /
        numerical_aperture / pixel_size``, or ``1.22 * wavelength * f_number /
        pixel_size`` for a distant object.
    size : int or None, default=None
        Odd number of pixels along each axis. None takes ``2 * ceil(4 * radius) + 1``,
        which holds 96 % of the light.

    Returns
    -------
    psf : ndarray of float64, of shape (size, size)
        Non-negative, of sum 1, centred.

    Raises
    ------
    ValueError
        If `radius` is not positive and finite, or `size` is not odd and positive.

    References
    ----------
    .. [1] M. Born and E. Wolf, "Principles of Optics", section 8.5.2, Cambridge
       University Press, 1999. :doi:`10.1017/CBO9781139644181`

    Examples
    --------
    >>> from skdeconv.operators import airy_psf
    >>> airy_psf(radius=0.61 * 0.52 / 1.2 / 0.1).shape  # 520 nm, NA 1.2, 100 nm
    (23, 23)
    """
    radius = _number("radius", radius)
    if size is None:
        size = 2 * ceil(4 * radius) + 1
    if not isinstance(size, int | np.integer) or size < 1 or size % 2 == 0:
        raise ValueError(f"size must be an odd positive int or None, got {size!r}.")
    axis = _fine_axis(size, fine=8)  # even, so that no sample falls on 0 / 0
    rho = 3.8317059702075125 / radius * np.hypot(axis[:, None], axis)
    psf = _bin((j1(rho) / rho) ** 2, (8, 8))
    return psf / psf.sum()


def _fine_axis(size, fine):
    """Middles of `fine` equal parts of each of `size` pixels, zero in the middle."""
    return (np.arange(size * fine) + 0.5) / fine - size / 2


def _bin(x, factors):
    """Sum blocks of `factors` samples."""
    split = [
        n for size, f in zip(x.shape, factors, strict=True) for n in (size // f, f)
    ]
    return x.reshape(split).sum(axis=tuple(range(1, 2 * x.ndim, 2)))


def _number(name, value, *, low=0, inclusive=False):
    """A finite number above `low`, as a float."""
    if isinstance(value, Real) and not isinstance(value, bool) and np.isfinite(value):
        if value > low or (inclusive and value == low):
            return float(value)
    kind = "finite" if low else "finite, not negative" if inclusive else "positive"
    raise ValueError(f"{name} must be a {kind} number, got {value!r}.")


def _sequence(name, value):
    try:
        return list(value)
    except TypeError:
        raise ValueError(
            f"{name} must be a number or several, got {value!r}."
        ) from None


def _axes(ndim):
    if ndim not in (1, 2, 3):
        raise ValueError(f"ndim must be 1, 2 or 3, got {ndim!r}.")
    return int(ndim)
