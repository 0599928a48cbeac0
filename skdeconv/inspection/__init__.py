"""Displays of what estimators chose, how they were trained and what they do."""

from skdeconv.inspection._restoration import RestorationDisplay
from skdeconv.inspection._strength import StrengthDisplay
from skdeconv.inspection._training import TrainingDisplay

__all__ = ["RestorationDisplay", "StrengthDisplay", "TrainingDisplay"]
