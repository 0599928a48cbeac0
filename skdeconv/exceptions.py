"""Warnings of this library; errors are the built-in and scikit-learn's own."""

__all__ = ["DataRangeWarning", "PSFWarning"]


class DataRangeWarning(UserWarning):
    """The intensity span was guessed from the data; pass `data_range`."""


class PSFWarning(UserWarning):
    """The point spread function is usable but probably not what was meant."""
