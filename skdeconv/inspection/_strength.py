"""The curve by which a strength was chosen."""

from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from skdeconv.inspection._axes import pyplot

# Parameters that may choose themselves.
STRENGTHS = ("alpha", "max_iter")


class StrengthDisplay:
    """Curve of a criterion against a strength that chose itself.

    Make it by :meth:`from_estimator`. Needs matplotlib, which the extra ``plot``
    brings.

    Parameters
    ----------
    name : str
        Name of the strength, such as ``"alpha"``.
    values : ndarray of shape (n_curves, n_values)
        Strengths that were looked at.
    criterion : ndarray of shape (n_curves, n_values)
        The criterion there.
    chosen : ndarray of shape (n_curves,)
        The strengths that were chosen.
    label : str
        Name of the criterion, such as ``"psnr"``.

    Attributes
    ----------
    ax_ : matplotlib Axes
        What was drawn on.
    figure_ : matplotlib Figure
        What it belongs to.
    lines_ : list of matplotlib Line2D
        The curves.

    See Also
    --------
    skdeconv.WienerRestorer : Has an `alpha` that chooses itself.
    skdeconv.RichardsonLucyRestorer : Has a `max_iter` that chooses itself.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from skdeconv import WienerRestorer
    >>> from skdeconv.datasets import make_dead_leaves
    >>> from skdeconv.inspection import StrengthDisplay
    >>> leaves = make_dead_leaves(2, shape=(64, 64), random_state=0)
    >>> restorer = WienerRestorer().fit(leaves)
    >>> StrengthDisplay.from_estimator(restorer).label
    'sure'
    """

    def __init__(
        self,
        *,
        name: str,
        values: ArrayLike,
        criterion: ArrayLike,
        chosen: ArrayLike,
        label: str,
    ):
        self.name = name
        self.values = values
        self.criterion = criterion
        self.chosen = chosen
        self.label = label

    @classmethod
    def from_estimator(cls, estimator, *, ax=None) -> Self:
        """Draw the curves of a fitted restorer.

        Parameters
        ----------
        estimator : estimator
            Fitted, with a strength that chose itself.
        ax : matplotlib Axes, default=None
            What to draw on; None makes a figure.

        Returns
        -------
        display : StrengthDisplay
            The display, drawn.

        Raises
        ------
        ValueError
            If nothing was chosen: the strength was given.
        """
        check_is_fitted(estimator)
        path = getattr(estimator, "path_", None)
        name = next((n for n in STRENGTHS if path is not None and n in path), None)
        if name is None:
            raise ValueError(
                "estimator must have a strength that chose itself, such as alpha='auto'"
                f"; {type(estimator).__name__} has path_ = {path!r}."
            )
        chosen = getattr(estimator, "n_iter_" if name == "max_iter" else f"{name}_")
        display = cls(
            name=name,
            values=path[name],
            criterion=path["criterion"],
            chosen=np.atleast_1d(chosen),
            label=", ".join(np.unique(estimator.criterion_)),
        )
        return display.plot(ax=ax)

    def plot(self, ax=None) -> Self:
        """Draw the curves, and a dot where each was best.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            What to draw on; None makes a figure.

        Returns
        -------
        display : StrengthDisplay
            The display itself.
        """
        if ax is None:
            _, ax = pyplot().subplots(layout="constrained")
        self.lines_ = []
        for values, criterion, chosen in zip(
            np.atleast_2d(self.values),
            np.atleast_2d(self.criterion),
            self.chosen,
            strict=True,
        ):
            known = np.isfinite(values) & np.isfinite(criterion)
            values, criterion = values[known], criterion[known]
            self.lines_ += ax.plot(values, criterion, lw=1.2)
            height = np.interp(np.log(chosen), np.log(values), criterion)
            ax.plot(chosen, height, "o", color=self.lines_[-1].get_color())
        positive = np.asarray(self.criterion)
        positive = positive[np.isfinite(positive)]
        ax.set(
            xscale="log",
            yscale="linear" if self.label == "psnr" or positive.min() <= 0 else "log",
            xlabel=self.name,
            ylabel="PSNR, dB" if self.label == "psnr" else self.label,
        )
        self.ax_, self.figure_ = ax, ax.figure
        return self
