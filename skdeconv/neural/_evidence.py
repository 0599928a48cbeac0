"""The objective of a variational autoencoder: a lower bound of the evidence."""

from torch import Tensor

# Mean squared errors below it, relative to the squared range, bring nothing.
FLOOR = 1e-6


class Evidence:
    r"""The negative evidence lower bound, in nats for every value of an image.

    .. math:: \tfrac12 \log \operatorname{MSE}
        + \frac{\beta}{n} \operatorname{KL}\bigl(q(z|x,y) \,\|\, p(z|x)\bigr)

    for normal errors whose variance is the one that fits the batch best [1]_.

    Parameters
    ----------
    beta : float
        Weight of the divergence.
    free_bits : float
        Nats that a latent variable may carry for nothing, on average over batch and
        positions.
    warmup : float
        Part of the first training during which `beta` rises from 0.

    References
    ----------
    .. [1] O. Rybkin, K. Daniilidis, S. Levine, "Simple and effective VAE training with
       calibrated decoders", ICML 2021. https://arxiv.org/abs/2006.13202
    """

    terms = ("squared_error", "divergence")
    levers = ("beta",)

    def __init__(self, beta, free_bits, warmup):
        self.beta, self.free_bits, self.warmup = beta, free_bits, warmup
        self.warm = False

    def __call__(self, net, x, y: Tensor):
        prediction, divergence = net.run(net.module_, x, target=y)
        error = (prediction - y).square().mean()
        by_channel = divergence.transpose(0, 1).flatten(1).mean(dim=1)
        # Values of an image for every position of the latent variables.
        n_values = y[0].numel() / divergence[0, 0].numel()
        charged = by_channel.clamp(min=self.free_bits).sum() / n_values
        loss = (error + FLOOR).log() / 2 + self.beta * self._rise(net) * charged
        told = by_channel.detach().sum() / n_values
        net.history.record_batch("squared_error", float(error.detach()))
        net.history.record_batch("divergence", float(told))
        return loss, prediction

    def _rise(self, net):
        self.warm = self.warm or net.progress_ >= self.warmup
        return 1.0 if self.warm else net.progress_ / self.warmup

    def state_dict(self) -> dict:
        """Give all that changes while a net trains."""
        return {"warm": self.warm}

    def load_state_dict(self, state: dict) -> None:
        """Go on from a state."""
        self.warm = state["warm"]
