"""The checks of networks find what is wrong."""

import pytest
import torch
from torch import nn

from skdeconv.testing import check_network


class Good(nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.layer = nn.Conv2d(in_channels, out_channels, 3, padding=1)

    def forward(self, x):
        return self.layer(x)


class Crops(Good):
    def forward(self, x):
        return self.layer(x)[..., : x.shape[-1] // 2 * 2]


class InPlace(Good):
    def forward(self, x):
        return self.layer(x.add_(1))


class Normalises(Good):
    def forward(self, x):
        return self.layer(x - x.mean())


class Random(Good):
    def forward(self, x):
        return self.layer(x + torch.randn_like(x))


class Counts(Good):
    calls = 0

    def forward(self, x):
        self.calls += 1
        return self.layer(x) + self.calls


class Unused(Good):
    def __init__(self, in_channels, out_channels):
        super().__init__(in_channels, out_channels)
        self.unused = nn.Parameter(torch.ones(3))


class Dead(Good):
    def __init__(self, in_channels, out_channels):
        super().__init__(in_channels, out_channels)
        self.dead = nn.Parameter(torch.ones(1))

    def forward(self, x):
        return self.layer(x) + 0 * self.dead


class Diverges(Good):
    def forward(self, x):
        return self.layer(x) / x.abs().amax()


class Double(Good):
    def forward(self, x):
        return self.layer(x).double()


class Hidden(Good):
    """Has weights that a state dict does not know."""

    def __init__(self, in_channels, out_channels):
        super().__init__(in_channels, out_channels)
        self.shift = torch.randn(1)

    def forward(self, x):
        return self.layer(x) + self.shift


class TakesNoise(Good):
    noise_map = True

    def forward(self, x, noise_std):
        return self.layer(x) * noise_std.reshape(-1, 1, 1, 1)


class MixesNoise(TakesNoise):
    def forward(self, x, noise_std):
        return self.layer(x) * noise_std.mean()


class StartsAtZero(Good):
    def __init__(self, in_channels, out_channels, upscale=2):
        super().__init__(in_channels, 4)
        self.last = nn.ConvTranspose2d(4, out_channels, upscale, upscale)
        nn.init.zeros_(self.last.weight)

    def forward(self, x):
        return self.last(self.layer(x))


class Fixed(Good):
    def __init__(self):
        super().__init__(1, 1)


class PassesOn(Good):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)


class PartlyFrozen(Good):
    def __init__(self, in_channels, out_channels):
        super().__init__(in_channels, out_channels)
        self.frozen = nn.Conv2d(1, 1, 1).requires_grad_(False)


class TwoAnswers(Good):
    def forward(self, x):
        return super().forward(x), x


class Fails(Good):
    def forward(self, x):
        raise KeyError("scale")


class Nothing(nn.Module):
    def forward(self, x):
        return x


@pytest.mark.parametrize(
    "network", [Good, Fixed, StartsAtZero, TakesNoise, PassesOn, PartlyFrozen]
)
def test_good_networks_pass(network):
    check_network(network)


def test_arguments_are_passed_on():
    check_network(StartsAtZero, upscale=3)
    check_network(Good, in_channels=2, out_channels=2)
    with pytest.raises(TypeError, match="unknown"):
        check_network(Good, unknown=1)
    with pytest.raises(TypeError, match="network_class must be a class, got 'unet'"):
        check_network("unet")


def test_local_classes_are_told_of_pickling():
    class Local(Good):
        pass

    with pytest.raises(AssertionError, match=r"cannot be pickled .* top of a module"):
        check_network(Local)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (Crops, "becomes"),
        (InPlace, "changed in place"),
        (Normalises, "alone and in a batch differ"),
        (MixesNoise, "alone and in a batch differ"),
        (Random, "global generator"),
        (Counts, "second call"),
        (Unused, "no gradient reaches unused"),
        (Dead, r"gradient of \['dead'\] is zero"),
        (Diverges, "not finite"),
        (Double, "float64"),
        (Hidden, "loaded weights"),
        (TwoAnswers, "answers a tuple"),
        (Fails, "Images of any size .*, but with ndim=2: KeyError: 'scale'"),
        (Nothing, "no parameters to train"),
    ],
)
def test_faults_are_found(network, message):
    with pytest.raises(AssertionError, match=message):
        check_network(network)
