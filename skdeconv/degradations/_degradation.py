"""A sequence of operators and noises as a scikit-learn transformer."""

from collections.abc import Sequence
from math import prod
from numbers import Integral
from typing import Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Generator, Tensor

from skdeconv._companions import check_psf_fits
from skdeconv._images import (
    ImageBatch,
    Images,
    Restored,
    as_object_array,
    check_images,
    is_table,
)
from skdeconv._params import Interval, RandomState, check_parameters, draw_seed
from skdeconv._ranges import check_range_of_step
from skdeconv.degradations._noise import Noise
from skdeconv.operators import Blur, Downsample, Gradient, LinearOperator
from skdeconv.operators._scene import in_order


class Degradation(TransformerMixin, BaseEstimator):
    """What a camera does to a clean image: operators and noises, in order.

    ``transform`` keeps the size of the images, unless a step makes pixels coarser.
    ``pair`` is the realistic simulation for benchmarks: it blurs the full image and
    returns what was observed and the truth, both cropped to the part that no border
    touched.

    As the first step of a ``Pipeline`` it degrades at ``predict`` too, which is right
    for scoring a restorer on clean images, and for nothing else. To train a network on
    fresh degradations, pass it as ``DeconvRestorer(degradation=...)``.

    Parameters
    ----------
    steps : list of LinearOperator and Noise
        Applied first to last; noise levels are in the units of the images.
    ndim : int, default=2
        Number of spatial axes where no step is a blur; else that of its PSF.
    random_state : int, RandomState instance or None, default=None
        An int gives the same noise at every call; ``None`` and an instance give new
        noise each time.

    Attributes
    ----------
    n_channels_ : int
        Number of channels seen in ``fit``.
    n_features_in_ : int
        Length of the signals seen in ``fit``; only with ``ndim=1``.

    Raises
    ------
    ValueError
        If `steps` is empty or holds anything else, or its blurs differ in their number
        of axes.

    See Also
    --------
    skdeconv.operators.Blur : The operator that blurs.
    skdeconv.degradations.GaussianNoise : Additive noise.
    skdeconv.degradations.PoissonNoise : Noise of counting photons.

    Examples
    --------
    >>> import numpy as np
    >>> from skdeconv.degradations import Degradation, GaussianNoise
    >>> from skdeconv.operators import Blur, gaussian_psf
    >>> steps = [Blur(gaussian_psf(1.6)), GaussianNoise(2.55)]
    >>> degrade = Degradation(steps, random_state=0)
    >>> photographs = np.full((3, 64, 64), 128, dtype=np.uint8)
    >>> observed, truth = degrade.pair(photographs)
    >>> observed.shape, truth.shape, truth.dtype
    ((3, 50, 50), (3, 50, 50), dtype('uint8'))
    """

    _parameter_constraints: dict = {
        "steps": [list, tuple],
        "ndim": [Interval(Integral, 1, 3, closed="both")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        steps: Sequence[LinearOperator | Noise],
        *,
        ndim: int = 2,
        random_state: RandomState = None,
    ):
        self.steps = steps
        self.ndim = ndim
        self.random_state = random_state

    def fit(self, X: Images, y=None) -> Self:
        """Validate the steps and the images.

        Parameters
        ----------
        X : array-like of shape (n_samples, *spatial[, n_channels]) or list of images
            Clean images.
        y : None
            Ignored.

        Returns
        -------
        self : object
            The fitted transformer.
        """
        check_parameters(self)
        self._check_steps()
        self.n_channels_ = self._check_X(X, reset=True).n_channels
        return self

    def transform(self, X: Images) -> Restored:
        """Degrade images; their size is kept, unless a step makes pixels coarser.

        Parameters
        ----------
        X : array-like of shape (n_samples, *spatial[, n_channels]) or list of images
            Clean images.

        Returns
        -------
        X_degraded : ndarray or list, of the shapes of X or smaller
            Degraded images, floating, in the units of X.
        """
        check_is_fitted(self)
        images = self._check_X(X, reset=False)
        if images.n_channels != self.n_channels_:
            raise ValueError(
                f"X has {images.n_channels} channel(s), but Degradation was fitted "
                f"with {self.n_channels_}."
            )
        generator = self._generator()
        return images.map(lambda x: self._degrade(x, generator))

    def pair(self, X: Images) -> tuple[Restored, Restored]:
        """Simulate with real borders: light from outside the frame leaks in.

        Only a ``Downsample`` mirrors the image at its border, as those who restore do.

        Parameters
        ----------
        X : array-like of shape (n_samples, *spatial[, n_channels]) or list of images
            Clean images; needs no ``fit``.

        Returns
        -------
        observed : ndarray or list
            Degraded images, smaller than X by the size of the PSFs less one pixel.
        truth : ndarray or list
            The same part of X, in its dtype; cropped to a multiple of the factor where
            a step makes pixels coarser.
        """
        check_parameters(self)
        self._check_steps()
        images = check_images(X, ndim=self._n_spatial())
        self._check_ranges(images)
        generator = self._generator()
        observed = images.map(lambda x: self._degrade_pair(x, generator)[0])
        if images.container == "stack":
            frame = (slice(None), *self._frame(images.shapes[0]))
            return observed, images.data[frame].copy()
        truth = [image[self._frame(image.shape)].copy() for image in images.data]
        if images.container == "object":
            truth = as_object_array(truth)
        return observed, truth

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = self._n_spatial() == 1
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        tags.non_deterministic = True
        return tags

    def _degrade(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        """Degrade a tensor, keeping its size."""
        for step in self._parts():
            x = self._apply(step, x, generator)
        return x

    def _degrade_pair(self, x: Tensor, generator: Generator | None = None):
        """Degrade a tensor without inventing borders; give it and the same truth."""
        truth = x[(..., *self._frame(x.shape[2:]))]
        if 0 in truth.shape:
            raise ValueError(
                "psfs and factors of steps are together larger than the scene of shape "
                f"{tuple(x.shape[2:])}: nothing of it is free of the border."
            )
        for step in self._parts():
            if isinstance(step, Blur):
                step = Blur.unchecked(step.psf, "extended")
            elif isinstance(step, Downsample):
                x = x[(..., *(slice(n - n % step.factor) for n in x.shape[2:]))]
            x = self._apply(step, x, generator)
        return x, truth

    def _parts(self) -> list[LinearOperator | Noise]:
        """The steps, compositions of operators taken apart."""
        return [part for step in self.steps for part in in_order(step)]

    def _without_noise(self):
        """The same degradation, less its noises; None where nothing else is left."""
        steps = [step for step in self.steps if not isinstance(step, Noise)]
        return Degradation(steps, ndim=self.ndim) if steps else None

    @staticmethod
    def _apply(step, x, generator):
        return step(x, generator) if isinstance(step, Noise) else step(x)

    def _generator(self):
        return Generator().manual_seed(draw_seed(self.random_state))

    def _margins(self):
        """Pixels before and after the frame, per axis, that see a border."""
        margins = np.zeros((self._n_spatial(), 2), dtype=int)
        for step in self._parts():
            if isinstance(step, Blur):
                margins += step.margins
        return margins

    def _factor(self):
        """How many times coarser its pixels are."""
        return prod(s.factor for s in self._parts() if isinstance(s, Downsample))

    def _frame(self, shape):
        """Slices of the pixels that `pair` shows, and of which it sees no border."""
        frame = []
        for axis, n in enumerate(shape[: self._n_spatial()]):
            start, stop, scale = 0, n, 1
            for step in self._parts():
                if isinstance(step, Blur):
                    before, after = step.margins[axis]
                    start, stop = start + before * scale, stop - after * scale
                elif isinstance(step, Downsample):
                    scale *= step.factor
                    stop -= (stop - start) % scale
            frame.append(slice(start, stop))
        return tuple(frame)

    def _n_spatial(self) -> int:
        steps = self.steps if isinstance(self.steps, list | tuple) else []
        blurs = [step for step in steps if isinstance(step, LinearOperator)]
        return blurs[0].ndim if blurs else self.ndim

    def _check_steps(self):
        if len(self.steps) == 0:
            raise ValueError(
                "steps must hold at least one operator or noise, got none."
            )
        for i, step in enumerate(self.steps):
            if not isinstance(step, LinearOperator | Noise):
                raise ValueError(
                    f"steps[{i}] must be a LinearOperator or a Noise, got {step!r}."
                )
            if isinstance(step, LinearOperator) and step.ndim != self._n_spatial():
                raise ValueError(
                    f"steps must agree on the number of spatial axes, got {step!r} of "
                    f"{step.ndim} beside {self._n_spatial()}."
                )
            for part in in_order(step):
                if isinstance(part, Gradient):
                    raise ValueError(
                        f"steps[{i}] must make images of images, got {step!r}."
                    )
                if isinstance(part, Blur) and part.boundary == "extended":
                    raise ValueError(
                        f"steps[{i}] changes the size of images; use another boundary "
                        "and call pair for realistic borders."
                    )

    def _check_X(self, X, *, reset: bool) -> ImageBatch:
        if self._n_spatial() == 1 and is_table(X):
            X = validate_data(self, X, dtype="numeric", reset=reset)
        images = check_images(X, ndim=self._n_spatial())
        self._check_fits(images)
        return images

    def _check_fits(self, images):
        for step in self._parts():
            if isinstance(step, Blur):
                check_psf_fits(step.psf, images)
        self._check_ranges(images)

    def _check_ranges(self, images):
        for step in self.steps:
            if getattr(step, "data_range", None) is not None:
                check_range_of_step(type(step).__name__, step.data_range, images)
