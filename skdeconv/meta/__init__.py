"""Restorers of restorers."""

from skdeconv.meta._ensemble import EnsembleRestorer

__all__ = ["EnsembleRestorer"]
