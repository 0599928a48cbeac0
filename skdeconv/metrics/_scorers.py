"""Scorers for scikit-learn's model selection."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from sklearn.utils.metadata_routing import UNCHANGED, MetadataRequest

from skdeconv._images import DTYPE_RANGES, as_images
from skdeconv._params import given
from skdeconv._ranges import check_data_range
from skdeconv.metrics._psnr import image_psnr
from skdeconv.metrics._ssim import ssim


@dataclass(frozen=True, kw_only=True)
class RoutedScorer:
    """A scorer that scikit-learn routes a mask, unless told otherwise, and a PSF."""

    mask_request: bool | str | None = True
    psf_request: bool | str | None = None

    def set_score_request(
        self,
        *,
        mask: bool | str | None = UNCHANGED,
        psf: bool | str | None = UNCHANGED,
    ):
        """Give a scorer that asks for a mask or a PSF, or not, or by another name."""
        requests = {"mask_request": mask, "psf_request": psf}
        return replace(self, **{k: v for k, v in requests.items() if v != UNCHANGED})

    def get_metadata_routing(self) -> MetadataRequest:
        """Tell what the scorer asks for."""
        request = MetadataRequest(owner=self)
        request.score.add_request(param="mask", alias=self.mask_request)
        request.score.add_request(param="psf", alias=self.psf_request)
        return request


def predict(estimator, X, mask=None, psf=None):
    """Restore with a mask and PSFs, where there are any, also by a search's winner."""
    beside = given(mask=mask, psf=psf)
    if not beside:
        return estimator.predict(X)
    # A search does not pass on what it does not know.
    return getattr(estimator, "best_estimator_", estimator).predict(X, **beside)


@dataclass(frozen=True)
class _ImageScorer(RoutedScorer):
    """Score an estimator's predictions with a metric of images."""

    metric: Any
    data_range: float | None = None

    def __call__(self, estimator, X, y, mask=None, psf=None):
        data_range = self.data_range or _dtype_range(y) or fitted_range(estimator)
        restored = predict(estimator, X, mask, psf)
        return self.metric(y, restored, data_range=data_range or 1.0)


def _mean_psnr(y_true, y_pred, *, data_range):
    # The estimator has checked its images, of whatever number of axes; signals may have
    # one number each.
    true = as_images(y_true)[0]
    shapes = [(np.shape(a), np.shape(b)) for a, b in zip(true, y_pred, strict=True)]
    if wrong := [pair for pair in shapes if pair[0] != pair[1] and pair[0]]:
        raise ValueError(
            "y must have the shapes of the restored images, got an image of "
            f"{wrong[0][0]} for {wrong[0][1]}."
        )
    return float(image_psnr(true, y_pred, data_range).mean())


def _dtype_range(y):
    data, container = as_images(y)
    images = [data] if container == "stack" else data
    kinds = {getattr(image, "dtype", None) for image in images}
    return DTYPE_RANGES.get(str(kinds.pop())) if len(kinds) == 1 else None


def last_steps(estimator) -> list:
    """An estimator, or those in a Pipeline or search, the last of them first."""
    inner = getattr(estimator, "best_estimator_", None)
    if inner is not None:
        return last_steps(inner)
    steps = getattr(estimator, "steps", None)
    if not isinstance(steps, list) or not all(isinstance(s, tuple) for s in steps):
        return [estimator]
    return [part for _, step in reversed(steps) for part in last_steps(step)]


def fitted_range(estimator) -> float | None:
    """Find `data_range_`, also of the last step of a Pipeline or a search's winner."""
    last = last_steps(estimator)[0]
    return getattr(last, "data_range_", None)


def make_psnr_scorer(data_range: float | None = None) -> Callable:
    """Make a scorer of the mean PSNR.

    Parameters
    ----------
    data_range : float, default=None
        Span of the intensities. ``None`` takes it from the dtype of y where that is
        bool, uint8 or uint16, else from the fitted estimator (the last step of a
        Pipeline), else 1.0.

    Returns
    -------
    scorer : callable
        ``scorer(estimator, X, y, mask=None, psf=None)`` gives decibels; for the
        `scoring` of ``GridSearchCV``, ``cross_val_score`` and their kin. They route a
        `mask` to it if ``enable_metadata_routing`` is on, and after
        ``scorer.set_score_request(psf=True)`` PSFs. All pixels count, as in ``score``.

    Raises
    ------
    ValueError
        If `data_range` is no positive number.

    See Also
    --------
    make_ssim_scorer : The same for the structural similarity.

    Examples
    --------
    >>> from skdeconv.metrics import make_psnr_scorer
    >>> scorer = make_psnr_scorer(data_range=255)
    """
    return _ImageScorer(_mean_psnr, _range(data_range))


def make_ssim_scorer(data_range: float | None = None, *, ndim: int = 2) -> Callable:
    """Make a scorer of the mean structural similarity.

    Parameters
    ----------
    data_range : float, default=None
        Span of the intensities. ``None`` takes it from the dtype of y where that is
        bool, uint8 or uint16, else from the fitted estimator (the last step of a
        Pipeline), else 1.0.
    ndim : int, default=2
        Number of spatial axes.

    Returns
    -------
    scorer : callable
        ``scorer(estimator, X, y, mask=None, psf=None)`` gives at most 1; for the
        `scoring` of ``GridSearchCV``, ``cross_val_score`` and their kin. They route a
        `mask` to it if ``enable_metadata_routing`` is on, and after
        ``scorer.set_score_request(psf=True)`` PSFs. All pixels count, as in ``score``.

    Raises
    ------
    ValueError
        If `data_range` is no positive number.

    See Also
    --------
    make_psnr_scorer : The same for the peak signal-to-noise ratio.

    Examples
    --------
    >>> from skdeconv.metrics import make_ssim_scorer
    >>> scorer = make_ssim_scorer(data_range=255)
    """
    return _ImageScorer(partial(ssim, ndim=ndim), _range(data_range))


def _range(data_range):
    return None if data_range is None else check_data_range(data_range)


psnr_scorer = make_psnr_scorer()
ssim_scorer = make_ssim_scorer()
