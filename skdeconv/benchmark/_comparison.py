"""The result of a comparison: records, table, plot, page."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tabulate import tabulate

from skdeconv._io import write_aside
from skdeconv.benchmark._report import render_report

INPUT = "Input"
N_RESAMPLES = 2000


def summarise(records: list[dict], seed: int) -> list[dict]:
    """Average records over the images, and set every method against the best.

    Parameters
    ----------
    records : list of dict
        One per degradation, method and image.
    seed : int
        Of the bootstrap.

    Returns
    -------
    summary : list of dict
        One per degradation and method, best first within a degradation;
        ``"difference"`` is the mean over images of the PSNR less that of the best
        method, with a paired bootstrap interval of 95 %.
    """
    summary = []
    for degradation in dict.fromkeys(r["degradation"] for r in records):
        groups = {}
        for record in records:
            if record["degradation"] == degradation:
                groups.setdefault(record["method"], []).append(record)
        psnr = {m: np.array([r["psnr"] for r in rows]) for m, rows in groups.items()}
        best = max(psnr, key=lambda method: psnr[method].mean())
        ranked = sorted(groups, key=lambda method: -psnr[method].mean())
        for method in ranked:
            rows = groups[method]
            numbers = [k for k, v in rows[0].items() if isinstance(v, float)]
            low, high = _interval(psnr[method] - psnr[best], seed)
            summary.append(
                {
                    "degradation": degradation,
                    "method": method,
                    **{key: float(np.mean([r[key] for r in rows])) for key in numbers},
                    "difference": float((psnr[method] - psnr[best]).mean()),
                    "difference_low": low,
                    "difference_high": high,
                    "best": method == best,
                    "note": rows[0].get("note", ""),
                }
            )
    return summary


def _interval(differences, seed):
    """Percentile bootstrap interval of a mean."""
    rng = np.random.default_rng(seed)
    draws = rng.integers(len(differences), size=(N_RESAMPLES, len(differences)))
    low, high = np.percentile(differences[draws].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)


@dataclass(frozen=True)
class Comparison:
    """What :func:`compare` found.

    Parameters
    ----------
    records : list of dict
        One per degradation, method and image: ``"psnr"``, ``"gain"`` over the input and
        ``"border_psnr"`` in decibels, ``"ssim"``, ``"fit_time"`` (of the method) and
        ``"predict_time"`` (of the image) in seconds, ``"peak_memory"`` in MiB.
    summary : list of dict
        Means over the images, best first, with the difference to the best.
    examples : list of dict
        Crops of a few images, for the page.
    settings : dict of str to str
        What else a reader must know.
    """

    records: list[dict]
    summary: list[dict]
    examples: list[dict]
    settings: dict[str, str]

    def __str__(self):
        return self.to_text()

    def to_text(self) -> str:
        """Give the summary as a table for the terminal.

        Returns
        -------
        text : str
            One line per degradation and method, names in full.
        """
        rows = []
        for mean in self.summary:
            spread = f"[{mean['difference_low']:+.2f}, {mean['difference_high']:+.2f}]"
            rows.append(
                {
                    "degradation": mean["degradation"],
                    "method": mean["method"],
                    "PSNR dB": f"{mean['psnr']:.2f}",
                    "gain dB": f"{mean['gain']:+.2f}",
                    "border dB": f"{mean['border_psnr']:.2f}",
                    "SSIM": _format(mean.get("ssim", math.nan), ".3f"),
                    "to best dB": "best" if mean["best"] else spread,
                    "fit s": f"{mean['fit_time']:.1f}",
                    "predict s": f"{mean['predict_time']:.2f}",
                    "memory MiB": _format(mean["peak_memory"], ".0f"),
                    "chosen": mean["note"],
                }
            )
        return tabulate(rows, headers="keys", disable_numparse=True)

    def to_frame(self):
        """Give the records as a data frame.

        Returns
        -------
        frame : pandas.DataFrame
            One row per degradation, method and image.
        """
        return _optional("pandas").DataFrame(self.records)

    def plot(self):
        """Draw the gain over the input per image, a panel per degradation.

        Returns
        -------
        figure : matplotlib.figure.Figure
            Box plots, best method first.
        """
        pyplot = _optional("matplotlib.pyplot")
        names = list(dict.fromkeys(mean["degradation"] for mean in self.summary))
        figure, axes = pyplot.subplots(
            1, len(names), figsize=(4.5 * len(names), 3.5), squeeze=False
        )
        for axis, name in zip(axes[0], names, strict=True):
            methods = [
                mean["method"]
                for mean in self.summary
                if mean["degradation"] == name and mean["method"] != INPUT
            ]
            gains = [
                [
                    r["gain"]
                    for r in self.records
                    if (r["degradation"], r["method"]) == (name, method)
                ]
                for method in methods
            ]
            axis.boxplot(
                gains[::-1], orientation="horizontal", tick_labels=methods[::-1]
            )
            axis.axvline(0, color="gray", linewidth=0.8)
            axis.set(title=name, xlabel="gain over the input, dB")
        figure.tight_layout()
        return figure

    def to_html(self, path, *, title: str = "Restoration benchmark") -> Path:
        """Write one self-contained page: tables, charts and zoomed crops.

        Parameters
        ----------
        path : path-like
            File to write; it is replaced if it exists, and never half written.
        title : str, default="Restoration benchmark"
            Heading of the page.

        Returns
        -------
        path : Path
            The file.
        """
        page = render_report(
            title=title,
            description=(
                "Every method was tuned and trained on the same training images within "
                "the same time, then restored the test images. The observed images are "
                "the middle of larger degraded scenes, so that their borders are those "
                "of a camera."
            ),
            rows=self.records,
            summary=self.summary,
            examples=self.examples,
            settings=self.settings,
        )
        return write_aside(path, lambda file: file.write(page.encode("utf-8")))


def _format(value, spec):
    return "–" if math.isnan(value) else format(value, spec)


def _optional(name):
    from importlib import import_module  # noqa: PLC0415 - only where it is needed

    try:
        return import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise ImportError(
            f"{package} is needed for this; install it with skdeconv[plot]."
        ) from error
