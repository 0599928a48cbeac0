"""The objective of two networks of which one restores and the other judges."""

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from skdeconv.networks._patch_discriminator import PatchDiscriminator
from skdeconv.neural._supervision import Supervised

# Momenta of the judge's Adam: a short memory, since what it judges keeps changing.
BETAS = (0.5, 0.999)


def _hinge(clean, restored):
    return (1 - clean).relu().mean() + (1 + restored).relu().mean()


def _fooling_hinge(clean, restored):
    return -restored.mean()


def _relativistic(clean, restored):
    """Cross-entropy of a verdict being better, or worse, than those of the others."""
    above, below = clean - restored.mean(), restored - clean.mean()
    ones, zeros = torch.ones_like(above), torch.zeros_like(below)
    return (
        binary_cross_entropy_with_logits(above, ones)
        + binary_cross_entropy_with_logits(below, zeros)
    ) / 2


def _fooling_relativistic(clean, restored):
    return _relativistic(restored, clean)


# What the judge minimises, and what the restorer does, of the judge's verdicts.
LOSSES = {
    "hinge": (_hinge, _fooling_hinge),
    "relativistic": (_relativistic, _fooling_relativistic),
}


class Adversarial(Supervised):
    """Stay close to the clean image, and be taken for one by a discriminator.

    The discriminator takes one step for every batch, before the restorer does. Its
    learning rate follows the schedule of the restorer's. It computes in float32
    whatever the precision: its singular values need it.

    Parameters
    ----------
    kind : {"hinge", "relativistic"}
        How verdicts become losses.
    weight : float
        Weight of the adversarial loss; 0 leaves the discriminator out.
    warmup : float
        Part of the first training during which the discriminator is left out.
    lr : float or None
        Largest learning rate of the discriminator; None takes the restorer's.
    **architecture
        Parameters of the discriminator.
    """

    terms = ("regression_loss", "adversarial_loss", "discriminator_loss")
    levers = ("adversarial_weight", "discriminator_lr")

    def __init__(self, kind, weight, warmup, lr, **architecture):
        self.kind, self.weight, self.warmup, self.lr = kind, weight, warmup, lr
        self.architecture = architecture
        self.discriminator = self.optimizer = None
        self.warm = False
        # State that waits for a discriminator to be put into.
        self.pending = {}

    def begin(self, net):
        """See that there is a discriminator, on the device of the net."""
        if not self.weight or self.discriminator is not None:
            return
        # One that is restored must not use up randomness: the other had been there.
        with torch.random.fork_rng(devices=[], enabled=bool(self.pending)):
            self.discriminator = PatchDiscriminator(**self.architecture)
        self.discriminator.to(net.device)
        self.optimizer = torch.optim.Adam(self.discriminator.parameters(), betas=BETAS)
        self.load_state_dict(self.pending)

    def __call__(self, net, x, y: Tensor):
        loss, prediction = super().__call__(net, x, y)
        self.warm = self.warm or net.progress_ >= self.warmup
        if not self.weight or not self.warm:
            return loss, prediction
        teach, fool = LOSSES[self.kind]
        judge = self.discriminator.train()
        taught = teach(judge(y), judge(prediction.detach()))
        self._step(net, taught)
        # The restorer's gradient passes through the judge and leaves none there.
        judge.requires_grad_(False)
        fooled = fool(judge(y), judge(prediction))
        judge.requires_grad_(True)
        for name, term in zip(self.terms, (loss, fooled, taught), strict=True):
            net.history.record_batch(name, float(term.detach()))
        return loss + self.weight * fooled, prediction

    def _step(self, net, loss):
        rate = net.optimizer_.param_groups[0]["lr"]
        if self.lr is not None:
            rate *= self.lr / net.lr
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    def state_dict(self) -> dict:
        """Give all that changes while a net trains."""
        if self.discriminator is None:
            return self.pending | {"warm": self.warm}
        return {
            "warm": self.warm,
            "discriminator": self.discriminator.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }

    def load_state_dict(self, state: dict) -> None:
        """Go on from a state."""
        self.warm = state.get("warm", self.warm)
        if self.discriminator is None or "discriminator" not in state:
            self.pending = state
            return
        self.discriminator.load_state_dict(state["discriminator"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.pending = {}

    def __getstate__(self):
        # Parametrised layers cannot be pickled, and where there is no CUDA its tensors
        # cannot be unpickled.
        kept = _on_cpu(self.state_dict())
        return vars(self) | {"discriminator": None, "optimizer": None, "pending": kept}


def _on_cpu(value):
    """Copy all tensors that are in dicts and lists to the CPU."""
    if isinstance(value, dict):
        return {key: _on_cpu(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_on_cpu(item) for item in value]
    return value.detach().cpu() if isinstance(value, Tensor) else value
