"""Charts of the benchmark report, drawn as inline SVG and coloured by its CSS."""

import math
from html import escape
from itertools import compress

import numpy as np

MINUS, DASH = "\N{MINUS SIGN}", "\N{EN DASH}"
_WIDTH, _LEFT, _RIGHT = 440, 46, 14
_LINE, _CHARACTER, _LONGEST = 16, 7.4, 36
_SHORTEST_TIME = 1e-4
_MOST_NAMES = 10
_MOST_DOTS = 40
_ROW = 48


def scatter(points):
    """PSNR against time on a log axis, every point labelled.

    More than ten points are labelled by their number in the list.

    Parameters
    ----------
    points : list of (str, float, float, bool)
        Name, seconds, PSNR in dB, and whether it is the best.

    Returns
    -------
    str
        An SVG element, or "" where no point is finite.
    """
    labels = [
        f"{number}" if is_numbered(points) else _shorten(point[0])
        for number, point in enumerate(points, 1)
    ]
    known = [math.isfinite(p[1]) and math.isfinite(p[2]) for p in points]
    points, labels = list(compress(points, known)), list(compress(labels, known))
    if not points:
        return ""
    bottom = 280
    times = np.log10([max(p[1], _SHORTEST_TIME) for p in points])
    levels = np.array([p[2] for p in points])
    to_x, (low, high) = _scale(times, 0.25, _LEFT + 12, _WIDTH - _RIGHT - 12)
    to_y, y_span = _scale(levels, 0.25, bottom - 12, 44)
    parts = [_grid_line(to_x(t), 12, bottom, label) for t, label in _decades(low, high)]
    for tick in _ticks(*y_span):
        parts.append(_rung(to_y(tick), f"{tick:g}"))
    parts.append(_text(_LEFT, 8, "PSNR (dB)", "axis start"))
    where = [(to_x(t), to_y(v)) for t, v in zip(times, levels, strict=True)]
    boxes = place_labels(where, labels, (_LEFT, 14, _WIDTH, bottom))
    for point, (x, y), label, box in zip(points, where, labels, boxes, strict=True):
        parts.append(_marker(point, x, y, label, box))
    title = "Time to fit and to restore one image (s, log scale)"
    parts.append(_text((_WIDTH + _LEFT) / 2, bottom + 36, title, "axis"))
    return _svg(bottom + 44, "PSNR against time of each method", parts)


def box_plot(groups):
    """One horizontal box per group: quartiles, whiskers to the extremes, all values.

    Parameters
    ----------
    groups : list of (str, list of (str, float), bool)
        Name, labelled values in dB, and whether it is the best.

    Returns
    -------
    str
        An SVG element, or "" where no value is finite.
    """
    groups = [
        (name, [v for v in values if math.isfinite(v[1])], best)
        for name, values, best in groups
    ]
    values = [v for _, group, _ in groups for _, v in group]
    if not values:
        return ""
    # 0, no gain, is always in sight.
    to_x, span = _scale(np.array([*values, 0.0]), 0.05, 14, _WIDTH - 14)
    bottom = 6 + _ROW * len(groups)
    if is_numbered(groups):
        groups = [(f"{k}. {name}", *rest) for k, (name, *rest) in enumerate(groups, 1)]
    parts = []
    for tick in _ticks(*span):
        kind = "zero" if tick == 0 else "grid"
        label = f"{tick:+g}".replace("-", MINUS) if tick else "0"
        parts.append(_grid_line(to_x(tick), 4, bottom, label, kind))
    for row, (name, group, best) in enumerate(groups):
        parts.append(_box(name, group, best, 6 + _ROW * row, to_x))
    parts.append(_text(_WIDTH / 2, bottom + 36, "Gain over the input (dB)", "axis"))
    return _svg(bottom + 44, "Gain over the input, by method", parts)


def is_numbered(methods):
    """Whether so many names would clutter a chart that numbers stand for them."""
    return len(methods) > _MOST_NAMES


def place_labels(where, labels, bounds):
    """Give every label the free box nearest to its point, None where all are taken."""
    taken = [(x - 6, y - 6, x + 6, y + 6) for x, y in where]
    boxes = []
    for (x, y), label in zip(where, labels, strict=True):
        width = _CHARACTER * len(label)
        candidates = (
            (x + dx, y + dy - _LINE / 2, x + dx + width, y + dy + _LINE / 2)
            for dx, dy in _offsets(width)
        )
        free = (
            box
            for box in candidates
            if bounds[0] <= box[0] and box[2] <= bounds[2]
            and bounds[1] <= box[1] and box[3] <= bounds[3]
            and not any(_overlap(box, other) for other in taken)
        )  # fmt: skip
        boxes.append(next(free, None))
        if boxes[-1]:
            taken.append(boxes[-1])
    return boxes


def _offsets(width):
    starts = [(8, 0), (-8 - width, 2), (-width / 2, 6)]
    starts += [(s, abs(s)) for s in range(24, 200, 24)]
    starts += [(-s - width, s) for s in range(24, 200, 24)]
    ranked = [
        (cost + abs(dy), dx, dy) for dx, cost in starts for dy in range(-240, 241, 4)
    ]
    return [(dx, dy) for _, dx, dy in sorted(ranked)]


def _overlap(a, b):
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _marker(point, x, y, label, box):
    name, seconds, psnr, best = point
    kind = "best" if best else "other"
    parts = []
    if box:
        end_x, end_y = np.clip(x, box[0], box[2]), (box[1] + box[3]) / 2
        if abs(end_y - y) > 12 or abs(end_x - x) > 12:
            parts.append(
                f'<path class="leader" d="M{x:.1f} {y:.1f}L{end_x:.1f} {end_y:.1f}"/>'
            )
        # Anchored at the side of the point, so that a narrow font leaves no gap.
        side = "end" if box[2] < x else "start" if box[0] > x else "middle"
        at = {"end": box[2], "start": box[0], "middle": (box[0] + box[2]) / 2}[side]
        parts.append(_text(at, end_y + 4.5, label, f"name {kind} {side}"))
    parts.append(
        f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="4.5">'
        f"<title>{escape(name)}: {psnr:.2f} dB, {seconds:.3g} s</title></circle>"
    )
    return "".join(parts)


def _box(name, group, best, top, to_x):
    kind = "best" if best else "other"
    parts = [_text(14, top + 14, _shorten(name, 44), f"name {kind} start")]
    if not group:
        return parts[0] + _text(_WIDTH - 14, top + 14, DASH, "name end")
    numbers = [to_x(v) for v in np.percentile([v for _, v in group], range(0, 101, 25))]
    low, first, median, third, high = numbers
    middle = top + 28
    value = f"{np.median([v for _, v in group]):+.2f}".replace("-", MINUS)
    box = (
        f'<rect class="{kind}" x="{first:.1f}" y="{middle - 7}" '
        f'width="{third - first:.1f}" height="14" rx="2"/>'
    )
    parts += [
        _text(_WIDTH - 14, top + 14, value, f"name {kind} end"),
        f'<path class="whisker" d="M{low:.1f} {middle}H{high:.1f}"/>',
        box,
        f'<path class="median {kind}" d="M{median:.1f} {middle - 8}v16"/>',
    ]
    dots = group if len(group) <= _MOST_DOTS else []
    for label, value in dots:
        parts.append(
            f'<circle class="dot" cx="{to_x(value):.1f}" cy="{middle}" r="2.5">'
            f"<title>{escape(label)}: {value:+.2f} dB</title></circle>"
        )
    return "".join(parts)


def _scale(values, least, start, stop):
    """Map onto [start, stop]; a span under twice `least` is widened to it."""
    low, high = float(np.min(values)), float(np.max(values))
    slack = max(0.0, 2 * least - (high - low)) / 2
    low, high = low - slack, high + slack
    return lambda v: start + (v - low) / (high - low) * (stop - start), (low, high)


def _ticks(low, high, most=6):
    size = 10.0 ** math.floor(math.log10((high - low) / most))
    step = next(size * m for m in (1, 2, 5, 10) if (high - low) / (size * m) <= most)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(step * k, 10) for k in range(first, last + 1)]


def _decades(low, high):
    inner = (1, 2, 5) if high - low < 2 else (1,)
    stride = math.ceil((high - low) / 6)
    powers = range(math.floor(low), math.ceil(high) + 1, stride)
    pairs = [(p + math.log10(m), f"{m * 10.0**p:g}") for p in powers for m in inner]
    return [pair for pair in pairs if low - 1e-9 <= pair[0] <= high + 1e-9]


def _grid_line(x, top, bottom, label, kind="grid"):
    line = f'<path class="{kind}" d="M{x:.1f} {top}V{bottom}"/>'
    return line + _text(x, bottom + 16, label, "tick")


def _rung(y, label):
    line = f'<path class="grid" d="M{_LEFT} {y:.1f}H{_WIDTH}"/>'
    return line + _text(_LEFT - 6, y + 4.5, label, "tick end")


def _shorten(name, longest=_LONGEST):
    return name if len(name) <= longest else name[: longest - 1] + "…"


def _text(x, y, text, kind):
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'


def _svg(height, label, parts):
    view = f'viewBox="0 0 {_WIDTH} {height}"'
    return f'<svg {view} role="img" aria-label="{label}">{"".join(parts)}</svg>'
