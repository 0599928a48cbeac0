"""Conditional variational autoencoder with a ConvTranspose decoder."""

import torch
from torch import Tensor, nn

from skdeconv.networks._layers import (
    CONV,
    CONV_TRANSPOSE,
    crop,
    he_,
    pad_to_multiple,
    pixel_shuffle,
    pixel_unshuffle,
)
from skdeconv.networks._unet import _ResidualBlock

# Bounds of the log variances, beyond which nothing is gained and numbers overflow.
LOG_VARIANCES = (-8.0, 4.0)


class _Encoder(nn.Module):
    """Features at a half and at a quarter of the resolution."""

    def __init__(self, channels, ndim, width, n_blocks):
        super().__init__()
        conv, self.ndim = CONV[ndim], ndim

        def blocks(w):
            return nn.Sequential(
                *(_ResidualBlock(w, ndim, 0.0) for _ in range(n_blocks))
            )

        self.head = he_(conv(channels * 2**ndim, width, 3, padding=1))
        self.fine = blocks(width)
        self.down = he_(conv(width, 2 * width, 2, stride=2))
        self.coarse = blocks(2 * width)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        fine = self.fine(self.head(pixel_unshuffle(x, 2, self.ndim)))
        return fine, self.coarse(self.down(fine))


class ConditionalVAE(nn.Module):
    """Restorations that depend on the degraded image and on what is drawn beside it.

    ::

        x (B, C, *n) --- encoder ----- features (B, w, *n/2), (B, 2w, *n/4)
                                           | conv 3, ReLU, conv 1
                               p(z|x): mean, log variance (B, L, *n/4)
        x, y - f(x, mean) --- encoder, conv 1: q(z|x,y), as shifts of p(z|x)

        z (B, L, *n/4), features -> conv 3, blocks (B, 2w, *n/4)
          conv transpose 2, stride 2, + features, blocks (B, w, *n/2)
          conv 3 -> shuffle by 2 -> x - residual (B, C', *n)

    The latent variables z are maps, so that images of any size are restored; they are
    padded inside by repeating their last pixels. A block is that of
    :class:`~skdeconv.networks.UNet`.

    Parameters
    ----------
    in_channels : int
        Channels of the input.
    out_channels : int
        Channels of the output; where the input has as many or more, the network
        answers its first channels less a residual.
    ndim : int, default=2
        Number of spatial axes.
    width : int, default=32
        Channels of the features at half the resolution; there are twice as many at a
        quarter.
    n_blocks : int, default=2
        Residual blocks per level, of encoders and decoder.
    latent_channels : int, default=16
        Latent variables for every ``4**ndim`` pixels.

    References
    ----------
    .. [1] K. Sohn, H. Lee, X. Yan, "Learning structured output representation using
       deep conditional generative models", NIPS 2015.
    .. [2] A. Vahdat, J. Kautz, "NVAE: A deep hierarchical variational autoencoder",
       NeurIPS 2020. https://arxiv.org/abs/2007.03898

    Examples
    --------
    >>> import torch
    >>> from skdeconv.networks._conditional_vae import ConditionalVAE
    >>> network = ConditionalVAE(in_channels=1, out_channels=1)
    >>> x = torch.zeros(1, 1, 37, 50)
    >>> network(x).shape
    torch.Size([1, 1, 37, 50])
    >>> noise = torch.randn(6, *network.latent_shape(x.shape[2:]))
    >>> network(x, noise=noise).shape
    torch.Size([6, 1, 1, 37, 50])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        ndim: int = 2,
        width: int = 32,
        n_blocks: int = 2,
        latent_channels: int = 16,
    ):
        super().__init__()
        self.ndim, self.latent_channels = ndim, latent_channels
        conv, coarse = CONV[ndim], 2 * width
        self.encoder = _Encoder(in_channels, ndim, width, n_blocks)
        self.recogniser = _Encoder(in_channels + out_channels, ndim, width, n_blocks)
        self.prior = nn.Sequential(
            he_(conv(coarse, coarse, 3, padding=1)),
            nn.ReLU(inplace=True),
            conv(coarse, 2 * latent_channels, 1),
        )
        self.posterior = conv(2 * coarse, 2 * latent_channels, 1)
        self.entrance = he_(conv(coarse + latent_channels, coarse, 3, padding=1))
        self.coarse, self.fine = (
            nn.Sequential(*(_ResidualBlock(w, ndim, 0.0) for _ in range(n_blocks)))
            for w in (coarse, width)
        )
        self.up = he_(CONV_TRANSPOSE[ndim](coarse, width, 2, stride=2))
        # Small, so that the network starts close to returning its input.
        self.tail = he_(conv(width, out_channels * 2**ndim, 3, padding=1), gain=0.1)
        self.out_channels = out_channels
        self.residual = in_channels >= out_channels

    def latent_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Give the shape of the latent variables of one image.

        Parameters
        ----------
        shape : tuple of int
            Spatial shape of the image.

        Returns
        -------
        latent_shape : tuple of int
            Channels and spatial shape.
        """
        return self.latent_channels, *(-(-n // 4) for n in shape)

    def forward(
        self, x: Tensor, noise: Tensor | None = None, target: Tensor | None = None
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Restore images, from the mean of p(z|x) or from draws.

        Parameters
        ----------
        x : Tensor of shape (batch, in_channels, *spatial)
            Images of any size.
        noise : Tensor of shape (n_draws, *latent_shape), default=None
            Standard normal; each draw is a shift of z from its mean by so many standard
            deviations, the same for all images.
        target : Tensor of shape (batch, out_channels, *spatial), default=None
            Clean images: z is drawn from q(z|x,y) instead, by torch's generator.

        Returns
        -------
        y : Tensor of shape ([n_draws,] batch, out_channels, *spatial)
            Images.
        divergence : Tensor of shape (batch, *latent_shape)
            Kullback-Leibler divergence of q(z|x,y) from p(z|x) for every latent
            variable, in nats; only with `target`.
        """
        padded = pad_to_multiple(x, 4, self.ndim)
        features = self.encoder(padded)
        # Divergences are small differences, which need more digits than bfloat16 has.
        mean, log_variance = self.prior(features[1]).float().chunk(2, dim=1)
        log_variance = log_variance.clamp(*LOG_VARIANCES)
        if target is not None:
            # What is to be told is what the mean of p misses.
            missed = target - self._decode(x, features, mean).detach()
            both = torch.cat([padded, pad_to_multiple(missed, 4, self.ndim)], dim=1)
            seen = torch.cat([features[1], self.recogniser(both)[1]], dim=1)
            shift, change = self.posterior(seen).float().chunk(2, dim=1)
            change = change.clamp(*LOG_VARIANCES)
            # Of normal distributions whose means are `shift` deviations apart.
            divergence = (change.exp() + shift.square() - 1 - change) / 2
            drawn = shift + (change / 2).exp() * torch.randn_like(shift)
            z = mean + (log_variance / 2).exp() * drawn
            return self._decode(x, features, z), divergence
        if noise is None:
            return self._decode(x, features, mean)
        deviation = (log_variance / 2).exp()
        draws = [self._decode(x, features, mean + deviation * draw) for draw in noise]
        return torch.stack(draws)

    def _decode(self, x, features, z):
        fine, coarse = features
        out = self.coarse(self.entrance(torch.cat([coarse, z], dim=1)))
        out = self.fine(self.up(out) + fine)
        out = pixel_shuffle(self.tail(out), 2, self.ndim)
        out = crop(out, tuple(x.shape[2:]))
        return x[:, : self.out_channels] - out if self.residual else out
