"""The benchmark as one HTML page that needs nothing but itself."""

import math
import re
from html import escape
from importlib.resources import files
from string import Template

import numpy as np

from skdeconv.benchmark._charts import DASH, MINUS, box_plot, is_numbered, scatter
from skdeconv.benchmark._crops import encode_crops

_RESULTS = [
    # key, heading, unit, format
    ("psnr", "PSNR", "dB", ".2f"),
    ("gain", "Gain", "dB", "+.2f"),
    ("ssim", "SSIM", "", ".3f"),
    ("border_psnr", "Border PSNR", "dB", ".2f"),
    ("fit_time", "Fit", "s", "time"),
    ("predict_time", "Predict", "s/image", "time"),
    ("peak_memory", "Peak memory", "MiB", ".1f"),
]
_DIFFERENCE = ("difference", "Difference to best", "dB [95 % interval]", "difference")


def render_report(
    *,
    title: str,
    description: str,
    rows: list[dict],
    summary: list[dict],
    examples: list[dict],
    settings: dict[str, str],
) -> str:
    """Render a benchmark as a self-contained HTML page.

    Parameters
    ----------
    title, description : str
        Heading of the page and the paragraph below it, plain text.
    rows : list of dict
        One record per degradation, method and image, with the keys "degradation",
        "method", "image", "psnr", "ssim", "gain", "border_psnr", "fit_time",
        "predict_time" and "peak_memory". NaN stands for a value that is unknown.
    summary : list of dict
        One record per degradation and method: the means of the keys above, "best",
        and "difference", "difference_low", "difference_high", the mean difference
        in PSNR to the best method and its interval.
    examples : list of dict
        Crops: "degradation", "image", "method" ("Input" is the degraded image, "Truth"
        the clean one) and "pixels" in [0, 1] of shape (h, w) or (h, w, 3). Where they
        would make the page heavy, only the middle of each crop is shown.
    settings : dict of str to str
        What else a reader must know: images, seed, budget, versions.

    Returns
    -------
    str
        The page.
    """
    page = Template(files(__package__).joinpath("report.html").read_text("utf-8"))
    names = list(dict.fromkeys(r["degradation"] for r in [*summary, *rows, *examples]))
    examples = encode_crops(examples)
    parts = []
    for number, name in enumerate(names, 1):
        means = sorted(_of(summary, name), key=_rank)
        records = _of(rows, name)
        parts.append(_section(number, name, means, records, _of(examples, name)))
    return page.substitute(
        title=escape(title),
        description=escape(description),
        settings="".join(
            f"<div><dt>{escape(k)}</dt><dd>{escape(str(v))}</dd></div>"
            for k, v in settings.items()
        ),
        contents=_contents(names, summary),
        sections="\n".join(parts),
    )


def _of(records, degradation):
    return [r for r in records if r["degradation"] == degradation]


def _rank(mean):
    psnr = mean["psnr"]
    return math.isnan(psnr), -psnr


def _contents(names, summary):
    items = []
    for number, name in enumerate(names, 1):
        best = [m for m in _of(summary, name) if m["best"]]
        text = "; ".join(
            f"<strong>{escape(m['method'])}</strong>, {_number(m['psnr'])} dB "
            f"({_number(m['gain'], '+.2f')} dB)"
            for m in best
        )
        link = f'<a href="#degradation-{number}">{escape(name)}</a>'
        items.append(f"<li>{link} <span>{text or DASH}</span></li>")
    return "".join(items)


def _section(number, name, means, rows, examples):
    columns = [*_RESULTS[:2], _DIFFERENCE, *_RESULTS[2:]]
    every = _table("Every image", name, _RESULTS, rows, ("method", "image"))
    label = "<summary>Results of every image</summary>"
    parts = [
        f'<section id="degradation-{number}"><h2>{escape(name)}</h2>',
        _table("Mean over the images", name, columns, means),
        _charts(means, rows),
        _crops([m["method"] for m in means], rows, examples),
        f"<details>{label}{every}</details>" if every else "",
        "</section>",
    ]
    return "\n".join(part for part in parts if part)


def _table(caption, degradation, columns, records, labels=("method",)):
    if not records:
        return ""
    heads = [f'<th scope="col" class="text">{name.title()}</th>' for name in labels]
    heads += [
        f'<th scope="col">{heading} <span class="unit">{unit}</span></th>'
        for _, heading, unit, _ in columns
    ]
    body = "".join(_table_row(record, labels, columns) for record in records)
    label = f"{caption}, {escape(degradation)}"
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{label}"><table>'
        f"<caption>{caption}</caption><thead><tr>{''.join(heads)}</tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
    )


def _table_row(record, labels, columns):
    first, *others = (_breakable(record[name]) for name in labels)
    cells = [f'<th scope="row">{first}</th>']
    cells += [f'<td class="text">{other}</td>' for other in others]
    cells += [f"<td>{_cell(record, column)}</td>" for column in columns]
    kind = ' class="best"' if record.get("best") else ""
    return f"<tr{kind}>{''.join(cells)}</tr>"


def _cell(record, column):
    key, _, _, spec = column
    if spec != "difference":
        return _number(record.get(key, math.nan), spec)
    if record["best"]:
        return "best"
    low, high = record["difference_low"], record["difference_high"]
    text = _number(record[key], "+.2f")
    if math.isnan(low) or math.isnan(high):
        return text
    interval = f"[{_number(low, '+.2f')}, {_number(high, '+.2f')}]"
    return f'{text} <span class="unit">{interval}</span>'


def _breakable(name):
    # Names of classes have no space where a narrow screen could wrap them.
    return re.sub("(?<=[a-z])(?=[A-Z])", "<wbr>", escape(name))


def _number(value, spec=".2f"):
    if math.isnan(value):
        return DASH
    if spec == "time" and math.isfinite(value):
        digits = {"precision": 3, "unique": False, "fractional": False}
        return np.format_float_positional(value, **digits, trim="-")
    text = format(value, ".2f" if spec == "time" else spec)
    return text.replace("-", MINUS).replace("inf", "∞")


def _charts(means, rows):
    points, groups = [], []
    for mean in means:
        name, best = mean["method"], mean["best"]
        seconds = mean["fit_time"] + mean["predict_time"]
        points.append((name, seconds, mean["psnr"], best))
        gains = [(r["image"], r["gain"]) for r in rows if r["method"] == name]
        groups.append((name, gains, best))
    note = "; numbers are ranks by PSNR" if is_numbered(means) else ""
    figures = [
        (f"Quality against time: upper left is better{note}", scatter(points)),
        ("Gain of each image; on the right the median", box_plot(groups)),
    ]
    parts = [
        f"<figure><figcaption>{caption}</figcaption>{svg}</figure>"
        for caption, svg in figures
        if svg
    ]
    return f'<div class="charts">{"".join(parts)}</div>' if parts else ""


def _crops(order, rows, examples):
    if not examples:
        return ""
    levels = {(r["method"], r["image"]): r["psnr"] for r in rows}
    for r in rows:
        levels.setdefault(("Input", r["image"]), r["psnr"] - r["gain"])
    order = ["Input", *(name for name in order if name != "Input")]
    rank = {name: k for k, name in enumerate(order)} | {"Truth": len(order)}
    strips = []
    for image in dict.fromkeys(e["image"] for e in examples):
        chosen = [e for e in examples if e["image"] == image]
        chosen.sort(key=lambda e: rank.get(e["method"], len(order)))
        items = "".join(_thumbnail(e, levels) for e in chosen)
        label = escape(image)
        strips.append(
            f'<div class="strip" data-image="{label}">'
            f"<h4>{label}</h4><ul>{items}</ul></div>"
        )
    note = "PSNR is that of the whole image."
    return f'<div class="crops"><h3>Crops</h3><p>{note}</p>{"".join(strips)}</div>'


def _thumbnail(example, levels):
    name, image = escape(example["method"]), escape(example["image"])
    level = levels.get((example["method"], example["image"]), math.nan)
    text = "reference" if name == "Truth" else f"{_number(level)} dB"
    return (
        f'<li data-method="{name}" data-psnr="{text}">'
        f'<img src="{example["source"]}" alt="{image}, {name}" loading="lazy">'
        f"<span>{_breakable(example['method'])}</span> <small>{text}</small></li>"
    )
