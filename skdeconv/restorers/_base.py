"""What every restorer shares: validation, fit and predict, the score."""

from contextlib import contextmanager
from dataclasses import replace
from math import prod
from numbers import Integral, Real
from typing import Self

import numpy as np
import torch
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor, inference_mode

from skdeconv._companions import check_mask, check_psf_fits, check_target
from skdeconv._images import (
    ImageBatch,
    Images,
    Restored,
    check_images,
    is_table,
)
from skdeconv._params import Interval, check_parameters, given
from skdeconv._ranges import refuse_mixed_units, resolve_data_range
from skdeconv.metrics._psnr import image_psnr
from skdeconv.operators import Blur, Gradient, Identity, LinearOperator
from skdeconv.operators._filling import fill_in, seen_by
from skdeconv.operators._psf import check_psf
from skdeconv.operators._scene import image_shape, in_order
from skdeconv.operators._trial import check_fits, check_ndim, check_promises
from skdeconv.restorers._noise import automatic_noise_std, warn_of_units
from skdeconv.restorers._one_plane import once_where_grey
from skdeconv.restorers._outliers import warn_of_outliers

NDIM = [Interval(Integral, 1, 3, closed="both")]
DATA_RANGE = [Interval(Real, 0, None, closed="neither"), None]
PSF = ["array-like", None]
OPERATOR = [LinearOperator, None]


class RestorerMixin(TransformerMixin):
    """Score, transform and tags of a restorer.

    A class that mixes it in offers ``predict(X)``, the fitted ``data_range_`` and
    ``_check_X(X, reset=...)``.
    """

    _requires_y = False
    _output_dtypes = ("float64", "float32")

    def transform(self, X: Images, mask: Images | None = None) -> Restored:
        """Restore images; the same as ``predict``, so that restorers chain.

        Parameters
        ----------
        X : array-like of shape (n_samples, *spatial[, n_channels]) or list of images
            Degraded images.
        mask : array-like or list, of the shapes of X, default=None
            Weights of the pixels, bool or in [0, 1]; 0 marks a pixel that is dead,
            saturated or missing. The channel axis may be left out.

        Returns
        -------
        X_restored : ndarray or list, of the shapes of X
            Restored images in the units of X.
        """
        return self.predict(X, **given(mask=mask))

    def score(
        self, X: Images, y: Images | None = None, mask: Images | None = None
    ) -> float:
        """Restore images and compare them with the truth.

        Parameters
        ----------
        X : array-like of shape (n_samples, *spatial[, n_channels]) or list of images
            Degraded images.
        y : array-like or list, of the shapes of X
            Clean images.
        mask : array-like or list, of the shapes of X, default=None
            Weights of the pixels, bool or in [0, 1]; 0 marks a pixel that is dead,
            saturated or missing. The channel axis may be left out.

        Returns
        -------
        score : float
            Mean over the images of the PSNR in decibels, relative to ``data_range_``.

        Raises
        ------
        ValueError
            If y is None: what needs no truth is ``skdeconv.estimation.risk_scorer``.
        """
        return self._score(X, y, mask=mask)

    def _score(self, X, y, **arguments) -> float:
        check_is_fitted(self)
        if y is None:  # a search without y, which hides all errors of scores but words
            raise ValueError(
                f"{type(self).__name__}.score compares with clean images y, got None. "
                "To search without them, pass "
                "scoring=skdeconv.estimation.risk_scorer."
            )
        images = self._check_X(X, reset=False)
        target = check_target(y, images, self._output_shape)
        if self.data_range is None:
            refuse_mixed_units([target, images], self.data_range_)
        restored = self.transform(X, **given(**arguments))
        return float(image_psnr(target.data, restored, self.data_range_).mean())

    def _output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Spatial shape of the answer to an image of a spatial shape."""
        return tuple(shape)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = self._n_spatial() == 1
        tags.input_tags.three_d_array = True
        tags.target_tags.required = self._requires_y
        tags.target_tags.multi_output = True
        tags.transformer_tags.preserves_dtype = list(self._output_dtypes)
        return tags


class BaseRestorer(RestorerMixin, BaseEstimator):
    """Template of a restorer.

    A subclass declares its constructor and ``_parameter_constraints``, and implements
    ``_restore`` and, where there is something to learn, ``_fit``. Validation,
    containers, units and tensors are taken care of here.
    """

    _parameter_constraints: dict = {}
    # The dtype of all computation; None keeps that of the data.
    _compute_dtype = None
    # Whether pixels can be weighted.
    _takes_mask = False
    # Whether one channel can be restored as well as those that fit saw.
    _takes_planes = True
    # Whether fit goes on without y where it is finer than the answer by a whole factor,
    # as in a pipeline whose later step refines pixels.
    _passes_y_on = True

    def fit(
        self, X: Images, y: Images | None = None, mask: Images | None = None
    ) -> Self:
        """Validate the data and learn what there is to learn.

        Parameters
        ----------
        X : array-like of shape (n_samples, *spatial[, n_channels]) or list of images
            Degraded images.
        y : array-like or list, of the shapes of X, default=None
            Clean images. Where they are finer by a whole factor, a later step of a
            pipeline refines pixels, and what needs no y is fitted without them.
        mask : array-like or list, of the shapes of X, default=None
            Weights of the pixels, bool or in [0, 1]; 0 marks a pixel that is dead,
            saturated or missing. The channel axis may be left out.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        check_parameters(self)
        with self._unfitted_on_error():
            self._check_physics(warn=True)
            self._fit(*self._check_data(X, y, mask, reset=True))
        return self

    def fit_transform(
        self, X: Images, y: Images | None = None, mask: Images | None = None
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

        Returns
        -------
        X_restored : ndarray or list, of the shapes of X
            Restored images in the units of X.
        """
        return self.fit(X, y, **given(mask=mask)).transform(X, **given(mask=mask))

    def predict(self, X: Images, mask: Images | None = None) -> Restored:
        """Restore images.

        Parameters
        ----------
        X : array-like of shape (n_samples, *spatial[, n_channels]) or list of images
            Degraded images, in the units and with the channels of those in ``fit``.
        mask : array-like or list, of the shapes of X, default=None
            Weights of the pixels, bool or in [0, 1]; 0 marks a pixel that is dead,
            saturated or missing. The channel axis may be left out.

        Returns
        -------
        X_restored : ndarray or list, of the shapes of X
            Restored images in the units of X, floating.
        """
        check_is_fitted(self)
        images = self._check_X(X, reset=False)
        return self._restore_images(images, self._check_mask(mask, images))

    def _restore_images(
        self, images: ImageBatch, weights: ImageBatch | None
    ) -> Restored:
        return images.map(self._restore_chunk, self._compute_dtype, weights)

    @contextmanager
    def _unfitted_on_error(self):
        """See that what is half fitted does not pass for fitted."""
        try:
            yield
        except BaseException:
            vars(self).pop("data_range_", None)
            raise

    def _restore_chunk(self, x: Tensor, weight: Tensor | None = None) -> Tensor:
        with inference_mode():
            x, weight = self._seen(x, weight)
            restored = self._in_channels(
                lambda x, weight: self._restore(x, weight=weight), x, weight
            )
        return restored.clip(0, self.data_range_) if self.clip else restored

    def _in_channels(self, restore, x: Tensor, *beside: Tensor | None) -> Tensor:
        """Restore images, and those of equal channels as one plane where it can be."""
        if self._takes_planes:
            return once_where_grey(restore, x, *beside)
        return restore(x, *beside)

    def _fit(
        self,
        images: ImageBatch,
        target: ImageBatch | None,
        weights: ImageBatch | None = None,
    ) -> None:
        """Learn from validated images; by default there is nothing to learn."""

    def _restore(
        self,
        x: Tensor,
        noise_std: Tensor | float | None = None,
        weight: Tensor | None = None,
    ) -> Tensor:
        """Restore a tensor ``(batch, channels, *spatial)`` in the units of the data.

        `weight` is of its shape; pixels of weight 0 are filled with what is harmless.
        """
        raise NotImplementedError

    def __sklearn_is_fitted__(self):
        return hasattr(self, "data_range_")

    def _in_units_of_fit(self, images: ImageBatch) -> bool:
        """Whether the dtype says that images are in the units of those in ``fit``."""
        return images.range_kind == self._range_kind

    def _n_spatial(self) -> int:
        try:
            psf_ndim = np.ndim(getattr(self, "psf", None))
        except ValueError:  # a ragged list, which fit will refuse
            psf_ndim = 0
        operator_ndim = getattr(getattr(self, "operator", None), "ndim", 0)
        return psf_ndim or operator_ndim or getattr(self, "ndim", 2)

    def _output_shape(self, shape):
        operator = getattr(self, "operator", None)
        return tuple(shape) if operator is None else image_shape(operator, shape)

    @property
    def _beyond_blur(self) -> LinearOperator | None:
        """The operator, unless it is a blur: that is undone as its PSF is."""
        operator = getattr(self, "operator", None)
        return None if isinstance(operator, Blur) else operator

    @property
    def _only_denoises(self) -> bool:
        return self.psf_ is None and self._beyond_blur is None

    def _blur(self) -> Blur:
        """The blur to undo; without a PSF, that of a single pixel."""
        blur = getattr(self, "operator", None)
        boundary = blur.boundary if isinstance(blur, Blur) else self.boundary
        psf = np.ones((1,) * self.ndim) if self.psf_ is None else self.psf_
        return Blur.unchecked(psf, boundary)

    def _operator(self) -> LinearOperator:
        """What is to be undone: the operator, the blur or nothing."""
        if self._beyond_blur is not None:
            return self._beyond_blur
        return Identity(self.ndim) if self.psf_ is None else self._blur()

    def _seen(self, x: Tensor, weight: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Fill what the operator or a weight of 0 hides; give its weights too."""
        weight = self._seen_weight(x, weight)
        return hide(x, weight), weight

    def _seen_weight(self, x: Tensor, weight: Tensor | None) -> Tensor | None:
        """Weights of the data, 0 where the operator hides them."""
        if self._beyond_blur is None:
            return weight
        seen = seen_by(self._beyond_blur, x)
        if seen.all():
            return weight
        return seen.to(x) if weight is None else seen * weight

    def _shown(
        self, images: ImageBatch, weights: ImageBatch | None
    ) -> ImageBatch | None:
        """Weights of images of an unknown range, which what is hidden must not set."""
        if self._beyond_blur is None or self.data_range is not None:
            return weights

        def known(x, weight=None):
            weight = self._seen_weight(x, weight)
            return torch.ones_like(x) if weight is None else weight

        return replace(images, data=images.map(known, None, weights))

    def _automatic_noise_std(self, x: Tensor, weight: Tensor | None) -> Tensor:
        """Estimate the noise level of each image, where it is known."""
        return automatic_noise_std(x, self.data_range_, weight, psf=self.psf_)

    def _warn_of_outliers(self, x: Tensor, weight: Tensor | None):
        """Warn of single pixels that the restorer does not remove."""
        if self._beyond_blur is None:
            warn_of_outliers(x, self.psf_, self.data_range_, weight)

    def _check_data(self, X, y, mask, *, reset: bool):
        """Validate images, clean ones and weights of pixels, to learn from them."""
        images = self._check_X(X, reset=reset)
        if reset:
            self._check_operator(images)
        target = None
        if y is not None or self._requires_y:
            target = check_target(y, images, self._output_shape, self._passes_y_on)
        weights = self._check_mask(mask, images)
        if reset:
            self.data_range_ = resolve_data_range(
                self.data_range, images, target, self._shown(images, weights)
            )
            if self._beyond_blur is None:  # it may amplify
                warn_of_units(getattr(self, "noise_std", None), self.data_range_)
        if target is not None:
            answered = [self._output_shape(shape) for shape in images.shapes]
            if target.shapes != answered:
                target = None  # the truth of a later step
        return images, target, weights

    def _check_physics(self, *, warn: bool):
        """Validate what is to be undone, as far as no image is needed for that."""
        psf, operator = getattr(self, "psf", None), getattr(self, "operator", None)
        if psf is not None and operator is not None:
            raise ValueError("psf and operator exclude each other, got both.")
        if isinstance(operator, Blur):
            self.psf_ = operator.psf
            return
        self.psf_ = None if psf is None else check_psf(psf, warn=warn)
        if operator is None:
            return
        check_ndim(operator)
        if any(isinstance(part, Gradient) for part in in_order(operator)):
            raise ValueError(f"operator must make images of images, got {operator!r}.")

    def _check_operator(self, images: ImageBatch):
        """See whether the operator fits the images and does what it announces."""
        operator = getattr(self, "operator", None)
        if operator is not None:
            for shape in set(images.shapes):
                check_fits(operator, shape)
            check_promises(operator, min(images.shapes, key=prod))

    def _check_mask(self, mask, images: ImageBatch) -> ImageBatch | None:
        if mask is None:
            return None
        if not self._takes_mask:
            raise ValueError(
                f"{type(self).__name__} cannot weight pixels; pass mask=None, got one."
            )
        return check_mask(mask, images)

    def _check_X(self, X, *, reset: bool) -> ImageBatch:
        ndim = self._n_spatial()
        if ndim == 1 and is_table(X):
            # scikit-learn's own door: it keeps the number and names of the features.
            X = validate_data(self, X, dtype="numeric", reset=reset)
        elif reset:
            for name in ("n_features_in_", "feature_names_in_"):
                vars(self).pop(name, None)
        images = check_images(X, ndim=ndim)
        if self.psf_ is not None:
            check_psf_fits(self.psf_, images)
        if reset:
            self.n_channels_ = images.n_channels
            self._range_kind = images.range_kind
            return images
        if images.n_channels != self.n_channels_:
            raise ValueError(
                f"X has {images.n_channels} channel(s), but {type(self).__name__} was "
                f"fitted with {self.n_channels_}."
            )
        if self.data_range not in (None, self.data_range_):
            raise ValueError(
                f"data_range changed since fit, from {self.data_range_:g} to "
                f"{self.data_range:g}; fit again, or set it back."
            )
        if self.data_range is None and not self._in_units_of_fit(images):
            raise ValueError(
                f"X is {images.range_kind}, but {type(self).__name__} was fitted on "
                f"{self._range_kind}; their units may differ. Convert X, or pass "
                "data_range to say that they do not."
            )
        return images


def hide(x: Tensor, weight: Tensor | None) -> Tensor:
    """Fill pixels of weight 0 with what is harmless."""
    return x if weight is None else fill_in(x, weight > 0)
