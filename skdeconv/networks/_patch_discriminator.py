"""A network that tells patches of clean images from those of restored ones."""

from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from skdeconv.networks._layers import CONV


class PatchDiscriminator(nn.Module):
    """Convolutions with spectral normalisation that judge every patch by itself.

    ::

        x (B, C, *n), divided by the data range
          conv 3                  (B, w, *n)
          conv 3, stride 2        (B, 2w, *n/2)
          conv 3, stride 2        (B, 4w, *n/4)
          conv 3, stride 2        (B, 4w, *n/8)
          conv 3                  (B, 1, *n/8)    large where the patch looks clean

    A leaky ReLU of slope 0.2 follows all convolutions but the last. An answer sees
    33 pixels along every axis; images of any size are judged, down to a single pixel.
    Every convolution is divided by its largest singular value, so that no small change
    of an image changes the verdict much.

    Parameters
    ----------
    channels : int
        Channels of the images.
    ndim : int, default=2
        Number of spatial axes.
    width : int, default=32
        Channels of the first convolution.

    References
    ----------
    .. [1] P. Isola et al., "Image-to-image translation with conditional adversarial
       networks", CVPR 2017. :doi:`10.1109/CVPR.2017.632`
    .. [2] T. Miyato et al., "Spectral normalization for generative adversarial
       networks", ICLR 2018. https://arxiv.org/abs/1802.05957

    Examples
    --------
    >>> import torch
    >>> from skdeconv.networks._patch_discriminator import PatchDiscriminator
    >>> PatchDiscriminator(channels=1)(torch.zeros(2, 1, 37, 50)).shape
    torch.Size([2, 1, 5, 7])
    """

    def __init__(self, channels: int, ndim: int = 2, width: int = 32):
        super().__init__()
        conv, widths = CONV[ndim], [width, 2 * width, 4 * width, 4 * width]
        layers, before = [], channels
        for level, after in enumerate(widths):
            stride = 2 if level else 1
            layers += [
                spectral_norm(conv(before, after, 3, stride=stride, padding=1)),
                nn.LeakyReLU(0.2, inplace=True),
            ]
            before = after
        layers.append(spectral_norm(conv(before, 1, 3, padding=1)))
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Judge images.

        Parameters
        ----------
        x : Tensor of shape (batch, channels, *spatial)
            Images of any size, divided by the data range.

        Returns
        -------
        verdict : Tensor of shape (batch, 1, *ceil(spatial / 8))
            One number for every patch; larger looks cleaner.
        """
        return self.layers(2 * x - 1)
