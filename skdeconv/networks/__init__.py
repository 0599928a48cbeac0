"""Networks that map ``(batch, channels, *spatial)`` to the same shape, of any size."""

from skdeconv.networks._conv_transpose import ConvTransposeNet
from skdeconv.networks._unet import UNet

__all__ = ["ConvTransposeNet", "UNet"]
