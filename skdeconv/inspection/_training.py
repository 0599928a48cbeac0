"""The course of a training."""

from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from skdeconv.inspection._axes import panels
from skdeconv.metrics._scorers import last_steps


class TrainingDisplay:
    """Loss, validation PSNR and learning rate, epoch by epoch.

    Make it by :meth:`from_estimator`. Needs matplotlib, which the extra ``plot``
    brings.

    Parameters
    ----------
    loss : ndarray of shape (n_epochs,)
        Mean training loss of each epoch.
    psnr : ndarray of shape (n_epochs,), default=None
        PSNR on held-out images in decibels, NaN where it was not taken.
    lr : ndarray of shape (n_epochs,), default=None
        Learning rate at the end of each epoch.

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes of shape (n_panels,)
        One for each curve.
    figure_ : matplotlib Figure
        What they belong to.
    lines_ : list of matplotlib Line2D
        The curves.

    See Also
    --------
    skdeconv.DeconvRestorer : Has a ``history_``.
    RestorationDisplay : What came of it.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from skdeconv import DeconvRestorer
    >>> from skdeconv.datasets import make_dead_leaves
    >>> from skdeconv.inspection import TrainingDisplay
    >>> leaves = make_dead_leaves(4, shape=(32, 32), random_state=0)
    >>> restorer = DeconvRestorer("conv_transpose", max_epochs=2, random_state=0)
    >>> display = TrainingDisplay.from_estimator(restorer.fit(leaves, leaves))
    >>> [ax.get_ylabel() for ax in display.axes_]
    ['training loss', 'learning rate']
    """

    def __init__(
        self,
        *,
        loss: ArrayLike,
        psnr: ArrayLike | None = None,
        lr: ArrayLike | None = None,
    ):
        self.loss = loss
        self.psnr = psnr
        self.lr = lr

    @classmethod
    def from_estimator(cls, estimator, *, ax=None) -> Self:
        """Draw the history of a trained restorer.

        Parameters
        ----------
        estimator : estimator
            Fitted, with a ``history_``; or a Pipeline or search that ends in one.
        ax : matplotlib Axes or array of them, default=None
            One, which is divided, or as many as there are curves; None makes a figure.

        Returns
        -------
        display : TrainingDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If the estimator has no history, or not one epoch.
        """
        check_is_fitted(estimator)
        trained = (e for e in last_steps(estimator) if hasattr(e, "history_"))
        history = getattr(next(trained, None), "history_", [])
        if not history:
            raise ValueError(
                "estimator must be trained by epochs, with a history_, got "
                f"{type(estimator).__name__}."
            )
        return cls(
            loss=_column(history, "train_loss"),
            psnr=_column(history, "valid_psnr"),
            lr=_column(history, "lr"),
        ).plot(ax=ax)

    def plot(self, ax=None) -> Self:
        """Draw one panel for each curve.

        Parameters
        ----------
        ax : matplotlib Axes or array of them, default=None
            One, which is divided, or as many as there are curves; None makes a figure.

        Returns
        -------
        display : TrainingDisplay
            The display itself.
        """
        curves = {
            "training loss": self.loss,
            "validation PSNR, dB": self.psnr,
            "learning rate": self.lr,
        }
        curves = {name: np.asarray(c) for name, c in curves.items() if c is not None}
        self.axes_ = panels(ax, 1, len(curves), (3.6, 3.0))[0]
        self.figure_ = self.axes_[0].figure
        self.lines_ = []
        for axis, (name, values) in zip(self.axes_, curves.items(), strict=True):
            epochs = np.arange(1, len(values) + 1)
            known = np.isfinite(values)
            # A single epoch is a dot.
            marker = "o" if known.sum() == 1 else None
            self.lines_ += axis.plot(
                epochs[known], values[known], lw=1.2, marker=marker
            )
            decades = "PSNR" not in name and np.all(values[known] > 0)
            axis.set(xlabel="epoch", ylabel=name, yscale="log" if decades else "linear")
            axis.xaxis.get_major_locator().set_params(integer=True)
        if self.psnr is not None:
            self._mark_best(self.axes_[1], np.asarray(self.psnr, dtype=float))
        return self

    @staticmethod
    def _mark_best(axis, psnr):
        best = int(np.nanargmax(psnr))
        axis.plot(best + 1, psnr[best], "o", color=axis.lines[0].get_color())
        axis.set_title(f"best: {psnr[best]:.2f} dB in epoch {best + 1}", fontsize=10)


def _column(history, name):
    """What the epochs recorded under a name; None where none did."""
    values = np.array([row.get(name, np.nan) for row in history], dtype=float)
    return values if np.isfinite(values).any() else None
