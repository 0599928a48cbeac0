"""Photographs that come with scikit-image and scikit-learn."""

from importlib.resources import as_file, files

import numpy as np
from skimage.color import rgb2gray
from skimage.io import imread
from sklearn.utils import Bunch

# Name, folder, file, whether it has colours.
_SKIMAGE, _SKLEARN = ("skimage", "data"), ("sklearn", "datasets", "images")
_SUBSETS = {
    "train": (
        ("brick", _SKIMAGE, "brick.png", False),
        ("coffee", _SKIMAGE, "coffee.png", True),
        ("flower", _SKLEARN, "flower.jpg", True),
        ("grass", _SKIMAGE, "grass.png", False),
        ("gravel", _SKIMAGE, "gravel.png", False),
        ("hubble_deep_field", _SKIMAGE, "hubble_deep_field.jpg", True),
        ("immunohistochemistry", _SKIMAGE, "ihc.png", True),
        ("motorcycle", _SKIMAGE, "motorcycle_left.png", True),
        ("rocket", _SKIMAGE, "rocket.jpg", True),
    ),
    "test": (
        ("astronaut", _SKIMAGE, "astronaut.png", True),
        ("camera", _SKIMAGE, "camera.png", False),
        ("chelsea", _SKIMAGE, "chelsea.png", True),
        ("china", _SKLEARN, "china.jpg", True),
        ("coins", _SKIMAGE, "coins.png", False),
    ),
}


def load_photographs(subset: str = "train", *, color: bool = False) -> Bunch:
    """Load photographs of various sizes, split into training and test.

    The files are part of the packages that are installed anyway: nothing is
    downloaded. The split is fixed and goes by photograph.

    ==================== ========== ====== ====== ============
    name                 size       colour subset package
    ==================== ========== ====== ====== ============
    brick                512 x 512  no     train  scikit-image
    coffee               400 x 600  yes    train  scikit-image
    flower               427 x 640  yes    train  scikit-learn
    grass                512 x 512  no     train  scikit-image
    gravel               512 x 512  no     train  scikit-image
    hubble_deep_field    872 x 1000 yes    train  scikit-image
    immunohistochemistry 512 x 512  yes    train  scikit-image
    motorcycle           500 x 741  yes    train  scikit-image
    rocket               427 x 640  yes    train  scikit-image
    astronaut            512 x 512  yes    test   scikit-image
    camera               512 x 512  no     test   scikit-image
    chelsea              300 x 451  yes    test   scikit-image
    china                427 x 640  yes    test   scikit-learn
    coins                303 x 384  no     test   scikit-image
    ==================== ========== ====== ====== ============

    Parameters
    ----------
    subset : {"train", "test", "all"}, default="train"
        Which photographs to load.
    color : bool, default=False
        Whether to load colours, without the photographs that have none. Otherwise all
        are grey: ``0.2125 R + 0.7154 G + 0.0721 B``, rounded.

    Returns
    -------
    photographs : :class:`~sklearn.utils.Bunch`
        With ``images``, a list of arrays of uint8 of shape (height, width[, 3]), and
        ``names``, the list of their names.

    Raises
    ------
    ValueError
        If `subset` is unknown.
    FileNotFoundError
        If the installed scikit-image or scikit-learn lacks a photograph.

    Notes
    -----
    Left out are photographs that are no good as truth, since they are blurred or
    blocky themselves (moon, retina, text), and the right view of the motorcycle. Grass
    and the Hubble deep field have visible noise; several were compressed as JPEG.

    Examples
    --------
    >>> from skdeconv.datasets import load_photographs
    >>> photographs = load_photographs("test")
    >>> photographs.names
    ['astronaut', 'camera', 'chelsea', 'china', 'coins']
    >>> photographs.images[0].shape, photographs.images[0].dtype
    ((512, 512), dtype('uint8'))
    """
    if subset == "all":
        entries = _SUBSETS["train"] + _SUBSETS["test"]
    elif subset in ("train", "test"):
        entries = _SUBSETS[subset]
    else:
        raise ValueError(f"subset must be 'train', 'test' or 'all', got {subset!r}.")
    photographs = Bunch(images=[], names=[])
    for name, folder, file, has_color in entries:
        if has_color or not color:
            photographs.names.append(name)
            photographs.images.append(_read(folder, file, color))
    return photographs


def _read(folder, file, color):
    """Read an image as it is installed; `skimage.data` might download it."""
    resource = files(folder[0]).joinpath(*folder[1:], file)
    if not resource.is_file():
        raise FileNotFoundError(
            f"the installed version of {folder[0]} does not come with {file}."
        )
    with as_file(resource) as path:
        image = imread(path)
    if color or image.ndim == 2:
        return image
    return np.rint(255 * rgb2gray(image)).astype(np.uint8)
