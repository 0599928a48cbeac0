"""Warnings of this library; errors are the built-in and scikit-learn's own."""

__all__ = ["DataRangeWarning", "NoiseWarning", "OutlierWarning", "PSFWarning"]


class DataRangeWarning(UserWarning):
    """The intensity span was guessed from the data; pass `data_range`."""


class NoiseWarning(UserWarning):
    """The noise level estimated from an image is unsure; pass `noise_std`."""


class OutlierWarning(UserWarning):
    """Pixels stand out as no scene does; hide them by a `mask`, or take medians."""


class PSFWarning(UserWarning):
    """The point spread function is usable but probably not what was meant."""
