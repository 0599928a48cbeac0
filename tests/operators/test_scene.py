"""What operators see beyond the image."""

import numpy as np
import pytest
import torch

from skdeconv.operators import Blur, Downsample, Identity, Mask
from skdeconv.operators._scene import (
    crop,
    image_shape,
    mirrored_outside,
    scene_margins,
)

BLUR = Blur(np.full((3, 4), 1 / 12), "extended")  # margins (1, 1) and (1, 2)


@pytest.mark.parametrize(
    ("operator", "data", "expected"),
    [
        (BLUR, (8, 10), (8, 10)),
        (BLUR @ BLUR, (8, 10), (8, 10)),
        (Downsample(2) @ BLUR, (4, 5), (8, 10)),
        (BLUR @ Downsample(2), (4, 5), (8, 10)),
        (Mask(np.ones((8, 10))) @ BLUR, (8, 10), (8, 10)),
        (Downsample(2) @ Blur(BLUR.psf), (4, 5), (8, 10)),
        (Identity(2), (8, 10), (8, 10)),
    ],
    ids=repr,
)
def test_the_image_is_where_the_data_show_it(operator, data, expected):
    assert image_shape(operator, data) == expected
    scene = torch.zeros(1, 1, *operator.input_shape(data))
    image = crop(scene, operator)
    assert tuple(image.shape[2:]) == expected
    # Where data lie in the scene is where the image is: in the middle of both.
    place = [torch.arange(n, dtype=torch.float64) for n in scene.shape[2:]]
    for values in torch.meshgrid(*place, indexing="ij"):
        values = values.expand(1, 1, *scene.shape[2:])
        seen = operator(values)[..., 1:-1, 1:-1].mean()
        middle = crop(values, operator).mean()
        assert abs(seen - middle) <= 1


def test_margins_count_in_pixels_of_the_domain():
    assert scene_margins(BLUR @ Downsample(2)) == ((2, 2), (2, 4))
    assert scene_margins(BLUR @ BLUR) == ((2, 2), (2, 4))
    assert scene_margins(Blur(BLUR.psf)) == ((0, 0), (0, 0))


def test_mirrored_operators_see_the_image_alone():
    operator = mirrored_outside(Downsample(2) @ BLUR)
    assert operator(torch.ones(1, 1, 8, 10)).shape[2:] == (4, 5)
    assert operator.inner.boundary == "reflect"
