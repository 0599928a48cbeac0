"""What displays draw on."""

import numpy as np


def pyplot():
    """Import matplotlib's pyplot, or say where it comes from."""
    try:
        import matplotlib.pyplot as plt  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ImportError(
            "displays need matplotlib; pip install 'skdeconv[plot]'."
        ) from error
    return plt


def panels(ax, n_rows: int, n_columns: int, size: tuple[float, float]) -> np.ndarray:
    """Make axes ``(n_rows, n_columns)`` for panels of a size in inches.

    Parameters
    ----------
    ax : matplotlib Axes, array of them or None
        One is divided into panels, as many as needed are taken as they are, and None
        makes a figure.
    n_rows : int
        Rows of panels.
    n_columns : int
        Columns of panels.
    size : tuple of float
        Width and height of a panel, in inches.

    Returns
    -------
    axes : ndarray of matplotlib Axes of shape (n_rows, n_columns)
        The panels.
    """
    plt = pyplot()
    if ax is None:
        width, height = size
        return plt.subplots(
            n_rows,
            n_columns,
            figsize=(width * n_columns, height * n_rows),
            squeeze=False,
            layout="constrained",
        )[1]
    if isinstance(ax, plt.Axes) and n_rows * n_columns > 1:
        ax.set_axis_off()
        grid = ax.get_subplotspec()
        if grid is None:
            raise ValueError("ax must be one of a figure's subplots to be divided.")
        return grid.subgridspec(n_rows, n_columns).subplots(squeeze=False)
    given = np.asarray(ax, dtype=object).ravel()
    if len(given) != n_rows * n_columns:
        raise ValueError(
            f"ax must be one axis or {n_rows * n_columns} of them, got {len(given)}."
        )
    return given.reshape(n_rows, n_columns)
