"""Physics and networks together."""

from skdeconv.hybrid._plug_and_play import PlugAndPlayRestorer

__all__ = ["PlugAndPlayRestorer"]
