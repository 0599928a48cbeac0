"""What was found out about images, kept for when they come again."""

from hashlib import blake2b

from torch import Tensor


class Memory:
    """Values by image, good for a restorer as long as nothing of it is changed.

    Parameters
    ----------
    restorer : BaseRestorer
        Whose values they are.
    """

    def __init__(self, restorer):
        self._state = _state(restorer)
        self._values = {}

    def keep(self, x: Tensor, weight: Tensor | None, values) -> None:
        """Keep a value for every image of a batch."""
        self._values.update(zip(_digests(x, weight), values, strict=True))

    def recall(self, restorer, x: Tensor, weight: Tensor | None) -> list:
        """Values of the images of a batch, None for what is new."""
        state = _state(restorer)
        if not all(_same(state[name], self._state[name]) for name in state):
            return [None] * len(x)
        return [self._values.get(digest) for digest in _digests(x, weight)]


def _state(restorer):
    parameters = restorer.get_params(deep=False)
    return parameters | {"psf_": restorer.psf_, "data_range_": restorer.data_range_}


def _same(one, other):
    """Whether two parameters are the same object or, of numbers and names, equal."""
    plain = isinstance(one, (str, int, float)) and isinstance(other, (str, int, float))
    return one is other or (plain and one == other)


def _digests(x, weight):
    for i, image in enumerate(x):
        digest = blake2b(f"{tuple(image.shape)} {image.dtype}".encode(), digest_size=16)
        for part in (image,) if weight is None else (image, weight[i]):
            digest.update(part.contiguous().cpu().numpy())
        yield digest.digest()
