"""A point spread function for every image."""

from collections.abc import Sequence
from copy import copy

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from skdeconv._companions import check_psf_fits
from skdeconv._images import ImageBatch, Images, Restored, as_object_array
from skdeconv._params import given
from skdeconv.operators._psf import check_psf


class VaryingPSFMixin:
    """Restore with other PSFs than the one given at construction.

    A class that mixes it in has the parameter ``psf`` and restores with ``psf_``.
    """

    def predict(
        self,
        X: Images,
        mask: Images | None = None,
        psf: ArrayLike | Sequence[ArrayLike] | None = None,
    ) -> Restored:
        """Restore images.

        Parameters
        ----------
        X : array-like of shape (n_samples, *spatial[, n_channels]) or list of images
            Degraded images, in the units and with the channels of those in ``fit``.
        mask : array-like or list, of the shapes of X, default=None
            Weights of the pixels, bool or in [0, 1]; 0 marks a pixel that is dead,
            saturated or missing. The channel axis may be left out.
        psf : array-like or sequence of n_samples array-likes, default=None
            What blurred these images, in the place of the PSF given at construction and
            with as many axes: one for all, or one for each, of any sizes.

        Returns
        -------
        X_restored : ndarray or list, of the shapes of X
            Restored images in the units of X, floating.

        Raises
        ------
        ValueError
            If data or PSFs are wrong, or no PSF was given at construction.
        """
        if psf is None:
            return super().predict(X, mask)
        check_is_fitted(self)
        images = self._check_X(X, reset=False)
        weights = self._check_mask(mask, images)
        return self._restore_groups(images, weights, self._check_psfs(psf, len(images)))

    def transform(
        self,
        X: Images,
        mask: Images | None = None,
        psf: ArrayLike | Sequence[ArrayLike] | None = None,
    ) -> Restored:
        """Restore images; the same as ``predict``, so that restorers chain.

        Parameters
        ----------
        X : array-like of shape (n_samples, *spatial[, n_channels]) or list of images
            Degraded images.
        mask : array-like or list, of the shapes of X, default=None
            Weights of the pixels, as in ``predict``.
        psf : array-like or sequence of n_samples array-likes, default=None
            What blurred these images, as in ``predict``.

        Returns
        -------
        X_restored : ndarray or list, of the shapes of X
            Restored images in the units of X.
        """
        return self.predict(X, **given(mask=mask, psf=psf))

    def fit_transform(
        self,
        X: Images,
        y: Images | None = None,
        mask: Images | None = None,
        psf: ArrayLike | Sequence[ArrayLike] | None = None,
    ) -> Restored:
        """Fit and restore the same images.

        Parameters
        ----------
        X : array-like of shape (n_samples, *spatial[, n_channels]) or list of images
            Degraded images.
        y : array-like or list, of the shapes of X, default=None
            Clean images.
        mask : array-like or list, of the shapes of X, default=None
            Weights of the pixels, as in ``fit`` and ``transform``.
        psf : array-like or sequence of n_samples array-likes, default=None
            What blurred these images, as in ``transform``; ``fit`` does not see it.

        Returns
        -------
        X_restored : ndarray or list, of the shapes of X
            Restored images in the units of X.
        """
        fitted = self.fit(X, y, **given(mask=mask))
        return fitted.transform(X, **given(mask=mask, psf=psf))

    def score(
        self,
        X: Images,
        y: Images | None = None,
        mask: Images | None = None,
        psf: ArrayLike | Sequence[ArrayLike] | None = None,
    ) -> float:
        """Restore images and compare them with the truth.

        Parameters
        ----------
        X : array-like of shape (n_samples, *spatial[, n_channels]) or list of images
            Degraded images.
        y : array-like or list, of the shapes of X
            Clean images.
        mask : array-like or list, of the shapes of X, default=None
            Weights of the pixels, as in ``predict``.
        psf : array-like or sequence of n_samples array-likes, default=None
            What blurred these images, as in ``predict``.

        Returns
        -------
        score : float
            Mean over the images of the PSNR in decibels, relative to ``data_range_``.

        Raises
        ------
        ValueError
            If y is None: what needs no truth is ``skdeconv.estimation.risk_scorer``.
        """
        return self._score(X, y, mask=mask, psf=psf)

    def _check_psfs(self, psf, n_images: int) -> list[np.ndarray]:
        """Validate PSFs, one for each image."""
        name = type(self).__name__
        if self.psf is None:
            other = "no psf" if getattr(self, "operator", None) is None else "operator"
            raise ValueError(
                "psf of predict takes the place of the one given at construction, but "
                f"{name} was given {other}; pass {name}(psf=...) the usual one."
            )
        ndim, axes = self.psf_.ndim, _axes(psf)
        if axes not in (ndim, ndim + 1, None):
            raise ValueError(
                f"psf must have {ndim} axes, as the one given at construction, or be a "
                f"sequence of such, one per image; got {axes} axes."
            )
        if axes == ndim:
            return [check_psf(psf, warn=True)] * n_images
        psfs = [check_psf(one, warn=True) for one in psf]
        if len(psfs) != n_images:
            raise ValueError(
                "psf must be one for all images or one for each, got "
                f"{len(psfs)} for {n_images} image(s)."
            )
        for i, one in enumerate(psfs):
            if one.ndim != ndim:
                raise ValueError(
                    f"psf[{i}] must have {ndim} axes, as the one given at "
                    f"construction, got {one.ndim}."
                )
        return psfs

    def _restore_groups(self, images, weights, psfs) -> Restored:
        """Restore images of the same PSF at once."""
        groups = {}
        for i, psf in enumerate(psfs):
            groups.setdefault((psf.shape, psf.tobytes()), []).append(i)
        restored = [None] * len(images)
        for members in groups.values():
            part = images.select(members)
            check_psf_fits(psfs[members[0]], part)
            one = copy(self)
            one.psf_ = psfs[members[0]]
            chosen = None if weights is None else weights.select(members)
            answers = one._restore_images(part, chosen)
            for i, answer in zip(members, answers, strict=True):
                restored[i] = answer
        return _collected(restored, images)


def _axes(psf) -> int | None:
    """Number of axes, or None for a collection of arrays of different shapes."""
    try:
        array = np.asarray(psf)
    except ValueError:
        return None
    return None if array.dtype == object and array.ndim == 1 else array.ndim


def _collected(restored: list, images: ImageBatch) -> Restored:
    """Answers in the container of the images."""
    if images.container == "stack":
        return np.stack(restored)
    return as_object_array(restored) if images.container == "object" else restored
