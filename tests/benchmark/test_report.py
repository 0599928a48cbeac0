"""The report is one escaped, balanced, self-contained page for any set of results."""

import re
from html import escape
from html.parser import HTMLParser

import numpy as np
import pytest

from skdeconv.benchmark._charts import place_labels
from skdeconv.benchmark._report import render_report

NASTY = """<b onclick="x">&'$title"""
VOID = {"meta", "link", "img", "input", "br", "wbr"}
KEYS = ["psnr", "ssim", "gain", "border_psnr", "fit_time", "predict_time"]


class Checker(HTMLParser):
    """Collects tags, text and addresses, and refuses unbalanced tags."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.text, self.addresses = [], [], [], []
        self.ids = []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.ids += [v for k, v in attrs if k == "id"]
        self.addresses += [v for k, v in attrs if k in {"src", "href", "srcset"}]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> closes another"

    def handle_data(self, data):
        self.text.append(data)


def parse(page):
    checker = Checker()
    checker.feed(page)
    checker.close()
    assert not checker.open
    assert len(set(checker.ids)) == len(checker.ids)
    return checker


def results(degradations=("Blur",), methods=("Wiener", "Deep"), n_images=3, **values):
    rng = np.random.default_rng(0)
    rows, summary = [], []
    for degradation in degradations:
        for number, method in enumerate(methods):
            keys = {k: float(rng.uniform(1, 9)) for k in KEYS}
            common = {"degradation": degradation, "method": method}
            common |= {**keys, "peak_memory": 3.0, **values}
            rows += [
                {**common, "image": f"image {k}", "psnr": 20 + number + k / 7}
                for k in range(n_images)
            ]
            interval = {"difference_low": -1.5, "difference_high": -0.5}
            best = {"best": number == 0, "difference": -1.0}
            summary.append({**common, **interval, **best})
    return {"rows": rows, "summary": summary}


def crops(degradation="Blur", methods=("Input", "Wiener", "Truth"), shape=(8, 8), n=1):
    rng = np.random.default_rng(0)
    return [
        {
            "degradation": degradation,
            "image": f"image {k}",
            "method": method,
            "pixels": rng.random(shape),
        }
        for k in range(n)
        for method in methods
    ]


def render(*, examples=(), **given):
    words = {"title": "A title", "description": "A text.", "settings": {"seed": "0"}}
    return render_report(**(words | results() | given), examples=list(examples))


def test_all_rows_are_present():
    given = results(degradations=("Blur", "Noise"))
    page = parse(render(**given))
    text = "|".join(page.text)
    for row in given["rows"]:
        assert f"{row['psnr']:.2f}" in text
    cells = [t for t, a in page.tags if t == "th" and a.get("scope") == "row"]
    assert len(cells) == len(given["rows"]) + len(given["summary"])
    assert "[−1.50, −0.50]" in text
    for heading in ("dB", "s", "s/image", "MiB"):
        assert heading in page.text


def test_everything_is_escaped():
    given = results(degradations=(NASTY,), methods=(NASTY, "Wiener"))
    for row in given["rows"]:
        row["image"] = NASTY
    examples = [e | {"image": NASTY} for e in crops(NASTY, ("Input", NASTY, "Truth"))]
    words = {"title": NASTY, "description": NASTY, "settings": {NASTY: NASTY}}
    html = render(examples=examples, **words, **given)
    page = parse(html)
    assert NASTY not in html
    assert not any("onclick" in attrs for _, attrs in page.tags)
    assert escape(NASTY) in html
    assert {"b"}.isdisjoint(tag for tag, _ in page.tags)
    labels = [a["data-method"] for t, a in page.tags if t == "li" and a]
    assert labels == ["Input", NASTY, "Truth"]


def test_nothing_is_fetched():
    html = render(examples=crops(n=2))
    page = parse(html)
    assert all(a.startswith(("data:", "#")) for a in page.addresses)
    assert not re.search(r"https?:|url\(|@import|fetch\(|XMLHttpRequest", html)
    policy = [a for t, a in page.tags if a.get("http-equiv")]
    assert policy[0]["content"].startswith("default-src 'none'")


def test_order_of_methods_is_by_psnr_and_unknown_comes_last():
    given = results(methods=("Nothing", "Low", "High"))
    for mean, psnr in zip(given["summary"], (np.nan, 20.0, 30.0), strict=True):
        mean["psnr"] = psnr
    html = render(**given)
    table = html[html.index("<tbody>") : html.index("</tbody>")]
    heads = re.findall(r'<th scope="row">(\w+)', table)
    assert heads == ["High", "Low", "Nothing"]


def test_psnr_of_the_input_is_that_of_the_result_less_the_gain():
    given = results(methods=("Wiener",), gain=2.0)
    page = parse(render(examples=crops(), **given))
    psnr = [a["data-psnr"] for t, a in page.tags if "data-psnr" in a]
    assert psnr == ["18.00 dB", "20.00 dB", "reference"]


@pytest.mark.parametrize(
    "given",
    [
        results(methods=("Wiener",)),
        results(methods=("Wiener",), n_images=1),
        results(methods=[f"A method with a rather long name {k}" for k in range(30)]),
        results(n_images=100),
        results(gain=np.nan, border_psnr=np.nan, fit_time=np.nan, peak_memory=np.nan),
        results(psnr=np.nan, gain=np.inf, predict_time=np.inf),
        results(fit_time=0.0, predict_time=0.0, gain=0.0),
        results(gain=-3.0),
        {"rows": [], "summary": []},
        {"rows": results()["rows"], "summary": []},
        {"rows": [], "summary": results()["summary"]},
    ],
)
@pytest.mark.parametrize("examples", [[], crops(), crops(methods=("Wiener",))])
def test_degenerate(given, examples):
    page = parse(render(examples=examples, **given))
    text = " ".join(page.text)
    assert not re.search(r"\bnan\b|\binf\b", text)
    numbers = [v for _, a in page.tags for k, v in a.items() if k in {"d", "cx", "x"}]
    assert not any(re.search("nan|inf", n) for n in numbers)


def test_unknown_is_a_dash():
    page = parse(render(**results(border_psnr=np.nan)))
    assert page.text.count("–") == 2 + 6


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 1), (8, 8, 3), (1, 5)])
def test_shapes_of_crops(shape):
    html = render(examples=crops(shape=shape))
    assert html.count("data:image/png;base64,") == 3


def test_other_crops_are_refused():
    with pytest.raises(ValueError, match=r"got shape \(8, 8, 2\)"):
        render(examples=crops(shape=(8, 8, 2)))


def test_pixels_beyond_the_range_and_nan_are_drawn():
    examples = crops()
    examples[0]["pixels"] = np.array([[np.nan, -1.0], [np.inf, 2.0]])
    assert "data:image/png" in render(examples=examples)


def test_page_stays_light():
    methods = ("Input", *"ABCDE", "Truth")
    examples = [e for d in "XYZ" for e in crops(d, methods, shape=(128, 128, 3), n=6)]
    html = render(examples=examples, **results(tuple("XYZ"), tuple("ABCDE"), 6))
    assert len(html) < 2_000_000
    assert html.count("<img src=") == len(examples)


def test_labels_do_not_overlap():
    rng = np.random.default_rng(0)
    where = [tuple(p) for p in rng.uniform((60, 60), (400, 260), (10, 2))]
    boxes = place_labels(where, ["Richardson-Lucy"] * 10, (46, 14, 440, 280))
    assert all(boxes)
    for k, a in enumerate(boxes):
        for b in boxes[:k]:
            assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
