"""The weights of denoisers: those of the package, and those of other files."""

from importlib.resources import as_file, files
from os import PathLike

from skdeconv.neural._deconv import DeconvRestorer

# The files of weights, by the number of channels.
WEIGHTS = {1: "denoiser_grey.safetensors", 3: "denoiser_colour.safetensors"}


def load_denoiser(
    path: str | PathLike | None, n_channels: int, name: str, **options
) -> DeconvRestorer:
    """Load a network that denoises planes.

    Parameters
    ----------
    path : str, path-like or None
        The file; None takes that of the package.
    n_channels : int
        Channels of the images: three are taken for colours.
    name : str
        Name of the parameter that is the path.
    **options
        Parameters of the network.

    Returns
    -------
    network : DeconvRestorer
        For `n_channels`, or for one.

    Raises
    ------
    ValueError
        If the file is damaged, or of another network.
    """
    if path is None:
        file = WEIGHTS[3 if n_channels == 3 else 1]
        with as_file(files("skdeconv.neural") / "weights" / file) as path:
            return DeconvRestorer.load(path, **options)
    network = DeconvRestorer.load(path, **options)
    found, parameters = network.n_channels_, network.get_params()
    denoises = parameters.get("module__noise_map") and parameters["upscale"] == 1
    denoises = denoises and network._n_spatial() == 2 and not network._masked
    if not denoises or found not in (1, 3):
        raise ValueError(
            f"{name} must be of a network with a noise_map that denoises images of 1 "
            "or 3 channels: two spatial axes, upscale=1 and no mask; got "
            f"{str(path)!r}."
        )
    if found == 3 != n_channels:
        raise ValueError(
            f"{name} are of a network for 3 channels, but X has {n_channels}."
        )
    return network
