"""One scene of leaves that occlude each other."""

from functools import partial
from math import cos, exp, log, pi, sin

import numpy as np
from scipy.fft import irfft2
from scipy.ndimage import gaussian_filter

_OVERSAMPLING = 2
# Radii in oversampled pixels, like all lengths of a scene.
_LARGEST = 512
_FLAT_BELOW = 12
_N_FIELDS = 4
_COLOR_AXES = np.array([[1, 1, 1], [1, 0, -1], [-0.5, 1, -0.5]])


class Scene:
    """What the leaves of one image have in common: light, palette and textures.

    Everything is painted in log-odds: contrasts are those of reflectances, and the
    sigmoid that develops the image keeps it in [0, 1].
    """

    def __init__(self, shape, n_channels, textured, rng):
        self.rng, self.textured = rng, textured
        self.shape = tuple(_OVERSAMPLING * int(n) for n in shape)
        self.smallest = exp(rng.uniform(log(7), log(24)))
        spread = rng.uniform(0.7, 1.6) * np.array([1, 1, 0.4])
        spread[1:] *= rng.uniform(0.05, 0.35)
        self.axes = (spread[:, None] * _COLOR_AXES)[:n_channels, :n_channels]
        tint = [rng.normal(-0.3, 0.5) / spread[0], *rng.normal(0, 0.5, n_channels - 1)]
        self.light = tint @ self.axes
        self.fields = [self._field(2.5, stretch=1)]
        if textured:
            self.fields += [
                self._field(rng.uniform(0.5, 2.5), exp(rng.exponential(0.7)))
                for _ in range(_N_FIELDS)
            ]

    def render(self):
        """Photograph the leaves: image of shape (height, width, n_channels)."""
        image, _ = self._layer(coverage=0.97)
        if self.rng.random() < 0.5:
            defocus = 10 * self.rng.power(0.5)
            image = gaussian_filter(image, (defocus, defocus, 0), truncate=2.5)
            near, free = self._layer(coverage=self.rng.uniform(0.2, 0.8))
            image = np.where(free[..., None], image, near)
        height, width = (n // _OVERSAMPLING for n in self.shape)
        blocks = (height, _OVERSAMPLING, width, _OVERSAMPLING, -1)
        return image.reshape(blocks).mean(axis=(1, 3))

    def _layer(self, coverage):
        """Drop leaves from front to back; ground and `free` are where none fell."""
        canvas = np.empty((*self.shape, len(self.axes)), np.float32)
        free = np.ones(self.shape, bool)
        n_free = free.size
        while n_free > (1 - coverage) * free.size:
            share = self.rng.random()
            radius = (share / self.smallest**2 + (1 - share) / _LARGEST**2) ** -0.5
            box, offsets = [], []
            for n in self.shape:
                centre = self.rng.uniform(-radius, n + radius)
                start, stop = max(int(centre - radius), 0), int(centre + radius) + 1
                box.append(slice(start, min(stop, n)))
                offsets.append(
                    np.arange(start, min(stop, n), dtype=np.float32) - centre
                )
            box, y, x = tuple(box), offsets[0][:, None], offsets[1]
            if not free[box].any():
                continue
            seen = np.nonzero(self._outline(box, y, x, radius) & free[box])
            if len(seen[0]):
                self._paint(canvas[box], box, seen, (y[seen[0], 0], x[seen[1]]), radius)
                free[box][seen] = False
                n_free -= len(seen[0])
        seen = np.nonzero(free)
        where = [
            i.astype(np.float32) - n / 2 for i, n in zip(seen, self.shape, strict=True)
        ]
        self._paint(canvas, (slice(None), slice(None)), seen, where, max(self.shape))
        return 1 / (1 + np.exp(-canvas)), free

    def _outline(self, box, y, x, radius):
        kind, angle = self.rng.integers(4), self.rng.uniform(0, 2 * pi)
        if kind == 0:
            return y**2 + x**2 <= radius**2
        if kind == 1:
            aspect = exp(self.rng.uniform(log(0.08), 0))
            length = radius / (1 + aspect**2) ** 0.5
            along, across = _rotate(y, x, angle)
            return (np.abs(along) <= length) & (np.abs(across) <= aspect * length)
        if kind == 2:
            n = self.rng.integers(3, 8)
            corners = angle + 2 * pi / n * (np.arange(n) + self.rng.random(n))
            gaps = np.diff(corners, append=corners[0] + 2 * pi) / 2
            sides = zip(corners + gaps, radius * np.cos(gaps), strict=True)
            return np.logical_and.reduce(
                [_rotate(y, x, normal)[0] <= distance for normal, distance in sides]
            )
        distance = (y**2 + x**2) / radius**2
        return distance <= np.minimum(0.6 + 0.3 * self._noise(box, index=0), 1)

    def _paint(self, canvas, box, seen, where, radius):
        """Paint the pixels that are seen; only for these a texture is worked out."""
        color = self._color()
        if not self.textured or radius < _FLAT_BELOW:
            canvas[seen] = color
            return
        noise = partial(self._noise, box, seen)
        luminance = self.rng.normal(0, 0.5) * (self.rng.random() < 0.5) / radius
        shading = luminance * _rotate(*where, self.rng.uniform(0, 2 * pi))[0]
        paint = color + shading[:, None]
        kind = self.rng.random()
        if kind < 0.7:
            paint += self._tones(noise())
        elif kind < 0.85:
            paint += self._tones(self._wave(noise, where))
        else:
            other = self._color() - color + self._tones(noise())
            mixture = (1 + self._wave(noise, where)[:, None]) / 2
            paint += (1 - mixture) * self._tones(noise()) + mixture * other
        canvas[seen] = paint

    def _color(self):
        """Log-odds of a leaf; heavy tails leave few colours saturated."""
        draw = self.rng.normal(size=len(self.axes))
        draw[1:] *= self.rng.exponential()
        return (self.light + draw @ self.axes).astype(np.float32)

    def _tones(self, texture):
        """Spread a texture over colours around that of the leaf."""
        contrast = exp(self.rng.normal(-1.2, 0.8))
        direction = self.rng.normal(size=len(self.axes))
        direction[0] = 2 * self.rng.integers(2) - 1
        tones = contrast * direction @ self.axes / self.axes[0, 0]
        return texture[:, None] * tones.astype(np.float32)

    def _noise(self, box, seen=(), index=None):
        """A field, mirrored at random; of mean 0 and variance 1 in the box."""
        if index is None:
            index = self.rng.integers(1, len(self.fields))
        flips = tuple(
            slice(None, None, step) for step in 2 * self.rng.integers(2, size=2) - 1
        )
        field = self.fields[index][flips][box]
        sample = field[:: 1 + len(field) // 16, :: 1 + field.shape[1] // 16]
        return (field[seen] - sample.mean()) / max(sample.std(), 1e-6)

    def _wave(self, noise, where):
        """Stripes or a grid, straight or warped, soft or hard, in [-1, 1]."""
        warp = self.rng.uniform(0, 2) * (self.rng.random() < 0.5) * noise(index=0)
        wave = np.float32(1)
        for _ in range(self.rng.integers(1, 3)):
            frequency = 2 * pi / exp(self.rng.uniform(log(4), log(100)))
            phase = self.rng.uniform(0, 2 * pi)
            along = _rotate(*where, self.rng.uniform(0, 2 * pi))[0]
            wave = wave * np.sin(frequency * along + warp + phase)
        return np.tanh(self.rng.uniform(0.5, 5) * wave)

    def _field(self, slope, stretch):
        """Noise of amplitude spectrum ``1/f**slope``; one in four is folded."""
        height, width = self.shape
        along, across = _rotate(
            np.fft.fftfreq(height)[:, None].astype(np.float32),
            np.fft.rfftfreq(width).astype(np.float32),
            self.rng.uniform(0, pi),
        )
        power = along**2 + (stretch * across) ** 2
        power[0, 0] = np.inf
        draw = self.rng.standard_normal((2, *power.shape), dtype=np.float32)
        spectrum = (draw[0] + 1j * draw[1]) * power ** (-slope / 2)
        field = irfft2(spectrum, s=self.shape)
        return np.abs(field) if stretch > 1 and self.rng.random() < 0.25 else field


def _rotate(y, x, angle):
    c, s = cos(angle), sin(angle)
    return c * y + s * x, c * x - s * y
