"""An image, what became of it and what it should be."""

from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from skdeconv._images import Images, as_images
from skdeconv.inspection._axes import panels
from skdeconv.inspection._pictures import (
    detailed,
    difference,
    draw_images,
    draw_signals,
    flat,
)
from skdeconv.metrics._psnr import image_psnr
from skdeconv.metrics._scorers import fitted_range, last_steps


class RestorationDisplay:
    """Input, restored image, truth and error side by side, and a zoom into them.

    Make it by :meth:`from_estimator`. Of volumes the middle slice along the first axis
    is shown; signals are lines. Three channels are colours, with the error of the
    channel that has most; of any other number the mean is shown. Needs matplotlib,
    which the extra ``plot`` brings.

    Parameters
    ----------
    degraded : ndarray of shape (*spatial[, n_channels])
        What was to be restored.
    restored : ndarray of shape (*spatial[, n_channels])
        What became of it; may be of another size.
    truth : ndarray of the shape of `restored`, default=None
        What it should be. Without it the last panel is not the error, but what the
        restorer took away, where sizes are equal.
    data_range : float
        Span of the intensities, for the PSNR.
    ndim : int, default=2
        Number of spatial axes.
    crop : "auto", None or tuple of slice, default="auto"
        The part of the restored image that is zoomed into, a slice for each axis that
        is shown; ``"auto"`` is where the truth has most detail, None shows none.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes of shape (n_rows, n_panels)
        The panels; the zoomed ones are the second row.
    figure_ : matplotlib Figure
        What they belong to.
    psnr_ : dict of str to float
        PSNR by panel, in decibels, of the whole image or volume; with a truth.

    See Also
    --------
    skdeconv.benchmark.compare : Many restorers on many images.

    Examples
    --------
    >>> import matplotlib, numpy as np
    >>> matplotlib.use("Agg")
    >>> from skdeconv import WienerRestorer
    >>> from skdeconv.datasets import make_dead_leaves
    >>> from skdeconv.inspection import RestorationDisplay
    >>> clean = make_dead_leaves(1, shape=(64, 64), random_state=0)
    >>> noisy = clean + np.random.default_rng(0).normal(0, 0.1, clean.shape)
    >>> restorer = WienerRestorer(data_range=1.0).fit(noisy)
    >>> display = RestorationDisplay.from_estimator(restorer, noisy, clean)
    >>> display.psnr_["restored"] > display.psnr_["input"]
    True
    """

    def __init__(
        self,
        *,
        degraded: ArrayLike,
        restored: ArrayLike,
        truth: ArrayLike | None = None,
        data_range: float,
        ndim: int = 2,
        crop: str | tuple[slice, ...] | None = "auto",
    ):
        self.degraded = degraded
        self.restored = restored
        self.truth = truth
        self.data_range = data_range
        self.ndim = ndim
        self.crop = crop

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X: Images,
        y: Images | None = None,
        *,
        mask: Images | None = None,
        index: int = 0,
        crop: str | tuple[slice, ...] | None = "auto",
        ax=None,
    ) -> Self:
        """Restore one image and draw it.

        Parameters
        ----------
        estimator : estimator
            Fitted restorer; or a Pipeline or search that ends in one.
        X : array-like of shape (n_samples, *spatial[, n_channels]) or list of images
            Degraded images.
        y : array-like or list, of the shapes of X, default=None
            Clean images.
        mask : array-like or list, of the shapes of X, default=None
            Weights of the pixels, passed on to ``predict``.
        index : int, default=0
            Which image to show.
        crop : "auto", None or tuple of slice, default="auto"
            The part that is zoomed into, a slice for each axis that is shown;
            ``"auto"`` is where the truth has most detail, None shows none.
        ax : matplotlib Axes or array of them, default=None
            One, which is divided, or as many as there are panels; None makes a figure.

        Returns
        -------
        display : RestorationDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If there is no image of that index, or y has another shape.
        """
        check_is_fitted(estimator)
        if not -len(X) <= index < len(X):
            raise ValueError(
                f"index must be that of one of {len(X)} images, got {index}."
            )
        one = slice(index, index + 1 or None)
        weights = {} if mask is None else {"mask": mask[one]}
        restored = np.asarray(estimator.predict(X[one], **weights)[0])
        truth = None if y is None else _first(y[one])
        last = last_steps(estimator)[0]
        return cls(
            degraded=_first(X[one]),
            restored=restored,
            truth=truth,
            data_range=fitted_range(estimator) or 1.0,
            ndim=last._n_spatial() if hasattr(last, "_n_spatial") else 2,
            crop=crop,
        ).plot(ax=ax)

    def plot(self, ax=None) -> Self:
        """Draw the panels.

        Parameters
        ----------
        ax : matplotlib Axes or array of them, default=None
            One, which is divided, or as many as there are panels; None makes a figure.

        Returns
        -------
        display : RestorationDisplay
            The display itself.
        """
        shown = {"input": self.degraded, "restored": self.restored}
        if self.truth is not None:
            shown["truth"] = self.truth
        shown = {name: np.asarray(image, dtype=float) for name, image in shown.items()}
        self.psnr_ = self._decibels(shown)
        shown = {name: flat(image, self.ndim) for name, image in shown.items()}
        crop = self._crop(shown.get("truth", shown["restored"]))
        last = difference(shown)
        rows = 1 if crop is None else 2
        if self.ndim == 1:
            columns, size, draw = 1, (4.5, 2.6), draw_signals
        else:
            height, width = shown["restored"].shape[:2]
            columns, size = len(shown), (2.8, 2.8 * np.clip(height / width, 0.4, 2))
            draw = draw_images
        self.axes_ = panels(ax, rows, columns + (last is not None), size)
        self.figure_ = self.axes_[0, 0].figure
        titles = {
            name: f"{name}, {self.psnr_[name]:.2f} dB" if name in self.psnr_ else name
            for name in shown
        }
        draw(self.axes_, shown, last, titles, crop)
        return self

    def _decibels(self, shown):
        if "truth" not in shown:
            return {}
        truth = shown["truth"]
        if truth.shape != shown["restored"].shape:
            raise ValueError(
                f"truth must have the shape {shown['restored'].shape} of the restored "
                f"image, got {truth.shape}."
            )
        return {
            name: float(image_psnr([truth], [image], self.data_range)[0])
            for name, image in shown.items()
            if name != "truth" and image.shape == truth.shape
        }

    def _crop(self, image):
        ndim = min(self.ndim, 2)
        if isinstance(self.crop, str) and self.crop == "auto":
            return detailed(image, ndim)
        parts = self.crop
        if parts is not None and not (
            isinstance(parts, tuple)
            and len(parts) == ndim
            and all(isinstance(part, slice) for part in parts)
        ):
            raise ValueError(
                f"crop must be 'auto', None or a tuple of {ndim} slice(s), got "
                f"{parts!r}."
            )
        return parts


def _first(images) -> np.ndarray:
    data, _ = as_images(images)
    return np.asarray(data[0] if isinstance(data, list) else np.asarray(data)[0])
