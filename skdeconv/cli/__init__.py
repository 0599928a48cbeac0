"""The command line: ``skdeconv benchmark`` and ``skdeconv restore``."""

from skdeconv.cli._main import main

__all__ = ["main"]
