"""Warnings that point at the line which called the library."""

import sys
import warnings

# Packages whose frames stand between that line and the place that warns.
BETWEEN = {"skdeconv", "sklearn", "joblib", "skorch", "contextlib"}


def warn_caller(message: str, category: type[Warning]) -> None:
    """Warn at the first line outside of this library and of what calls it."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and _package(frame) in BETWEEN:
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


def _package(frame):
    return frame.f_globals.get("__name__", "").partition(".")[0]
