"""Several restorers that differ by chance only."""

from numbers import Integral
from typing import Self

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone
from sklearn.utils.validation import check_is_fitted

from skdeconv._images import Images, Restored, as_object_array, is_stack
from skdeconv._params import Interval, RandomState, check_parameters, draw_seed
from skdeconv.restorers._base import BaseRestorer, RestorerMixin


class EnsembleRestorer(RestorerMixin, MetaEstimatorMixin, BaseEstimator):
    """Mean of restorers that are trained from different random states.

    Where networks disagree they are unsure: ``predict(X, return_std=True)`` tells how
    far apart they are. The mean is usually better than any one of them.

    Parameters
    ----------
    restorer : restorer
        What is cloned and fitted; it must have a `random_state`.
    n_estimators : int, default=5
        Number of clones, 2 at least.
    n_jobs : int or None, default=None
        Clones that are fitted at once; None is 1, -1 all processors.
    random_state : int, RandomState instance or None, default=None
        Seeds the random states of the clones.

    Attributes
    ----------
    estimators_ : list of restorers
        The fitted clones.
    data_range_ : float
        Span of the intensities.
    n_features_in_ : int
        Length of the signals seen in ``fit``; only with ``ndim=1``.

    Raises
    ------
    ValueError
        If data or parameters are wrong.

    See Also
    --------
    skdeconv.DeconvRestorer : Spreads by dropout, of a single network.

    References
    ----------
    .. [1] B. Lakshminarayanan, A. Pritzel, C. Blundell, "Simple and scalable predictive
       uncertainty estimation using deep ensembles", NeurIPS 2017.
       https://arxiv.org/abs/1612.01474

    Examples
    --------
    >>> import numpy as np
    >>> from skdeconv import DeconvRestorer, EnsembleRestorer
    >>> from skdeconv.datasets import make_dead_leaves
    >>> clean = make_dead_leaves(4, shape=(32, 32), random_state=0)
    >>> noisy = clean + np.random.default_rng(0).normal(0, 0.2, clean.shape)
    >>> network = DeconvRestorer(max_epochs=1, module__width=8)
    >>> ensemble = EnsembleRestorer(network, n_estimators=2, random_state=0)
    >>> mean, std = ensemble.fit(noisy, clean).predict(noisy, return_std=True)
    >>> mean.shape, std.shape
    ((4, 32, 32), (4, 32, 32))
    """

    _parameter_constraints: dict = {
        "restorer": [BaseRestorer],
        "n_estimators": [Interval(Integral, 2, None, closed="left")],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        restorer: BaseRestorer,
        n_estimators: int = 5,
        *,
        n_jobs: int | None = None,
        random_state: RandomState = None,
    ):
        self.restorer = restorer
        self.n_estimators = n_estimators
        self.n_jobs = n_jobs
        self.random_state = random_state

    def fit(
        self, X: Images, y: Images | None = None, mask: Images | None = None
    ) -> Self:
        """Fit all clones to the same data.

        Parameters
        ----------
        X : array-like of shape (n_samples, *spatial[, n_channels]) or list of images
            Degraded images.
        y : array-like or list, of the shapes of X, default=None
            Clean images.
        mask : array-like or list, of the shapes of X, default=None
            Weights of the pixels, where the restorer takes any.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        check_parameters(self)
        if "random_state" not in self.restorer.get_params(deep=False):
            raise ValueError(
                "restorer must have a random_state, or all clones would be the same; "
                f"got {self.restorer!r}."
            )
        seeds = np.random.default_rng(draw_seed(self.random_state))
        clones = [
            clone(self.restorer).set_params(random_state=int(seed))
            for seed in seeds.integers(2**31 - 1, size=self.n_estimators)
        ]
        weights = {} if mask is None else {"mask": mask}
        self.estimators_ = Parallel(n_jobs=self.n_jobs)(
            delayed(clone.fit)(X, y, **weights) for clone in clones
        )
        return self

    def predict(
        self, X: Images, mask: Images | None = None, return_std: bool = False
    ) -> Restored | tuple[Restored, Restored]:
        """Restore images.

        Parameters
        ----------
        X : array-like of shape (n_samples, *spatial[, n_channels]) or list of images
            Degraded images, in the units and with the channels of those in ``fit``.
        mask : array-like or list, of the shapes of X, default=None
            Weights of the pixels, where the restorer takes any.
        return_std : bool, default=False
            Whether to tell the standard deviation over the clones, too.

        Returns
        -------
        X_restored : ndarray or list
            Mean over the clones, in the units of X.
        std : ndarray or list, of the shapes of X_restored
            Standard deviation over the clones; only with `return_std`.
        """
        check_is_fitted(self)
        weights = {} if mask is None else {"mask": mask}
        answers = [one.predict(X, **weights) for one in self.estimators_]
        mean = _over(answers, lambda images: np.mean(images, axis=0))
        if not return_std:
            return mean
        return mean, _over(answers, lambda images: np.std(images, axis=0, ddof=1))

    @property
    def data_range_(self):
        check_is_fitted(self, "estimators_")
        return self.estimators_[0].data_range_

    @property
    def n_features_in_(self):
        check_is_fitted(self, "estimators_")
        return self.estimators_[0].n_features_in_

    @property
    def data_range(self):
        return self.restorer.data_range

    @property
    def _requires_y(self):
        return self.restorer._requires_y

    @property
    def _output_dtypes(self):
        return self.restorer._output_dtypes

    def __sklearn_is_fitted__(self):
        return hasattr(self, "estimators_")

    def _check_X(self, X, *, reset):
        return self.estimators_[0]._check_X(X, reset=reset)

    def _n_spatial(self):
        return self.restorer._n_spatial()

    def _output_shape(self, shape):
        return self.restorer._output_shape(shape)


def _over(answers, combine):
    """Combine answers of several restorers image by image, in their container."""
    first = answers[0]
    if is_stack(first):
        return combine(answers)
    images = [combine(list(parts)) for parts in zip(*answers, strict=True)]
    return images if isinstance(first, list) else as_object_array(images)
