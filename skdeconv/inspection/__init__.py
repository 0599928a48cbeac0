"""Displays of what estimators chose."""

from skdeconv.inspection._strength import StrengthDisplay

__all__ = ["StrengthDisplay"]
