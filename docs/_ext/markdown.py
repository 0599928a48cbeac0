"""``.. markdown:: FILE``: the little Markdown of CHANGELOG and CONTRIBUTING."""

import re
from itertools import groupby
from pathlib import Path

from docutils.parsers.rst import Directive
from docutils.statemachine import StringList

UNDERLINES = {2: "-", 3: "~"}


class Markdown(Directive):
    """Show a file without its main heading, which the page has."""

    required_arguments = 1

    def run(self):
        document = self.state.document
        path = Path(document.current_source).parent / self.arguments[0]
        document.settings.record_dependencies.add(str(path))
        rst = StringList(to_rst(path.read_text(encoding="utf-8")), source=str(path))
        parent = type(document)(document.settings, document.reporter)
        self.state.nested_parse(rst, 0, parent, match_titles=True)
        return parent.children


def to_rst(text):
    """Translate headings, fences, tables, links and code to lines of reST."""
    lines = []
    for i, part in enumerate(re.split(r"^```.*\n", text, flags=re.MULTILINE)):
        if i % 2:
            code = [f"   {line}" for line in part.splitlines()]
            lines += ["", ".. code-block:: text", "", *code, ""]
        else:
            lines += _prose(part)
    return lines


def _prose(text):
    text = re.sub(r"`([^`]+)`", r"``\1``", text)
    text = re.sub(r"\[([^]]+)\]\(([^)]+)\)", r"`\1 <\2>`__", text)
    text = re.sub(r"^\[.+\]: .*$", "", text, flags=re.MULTILINE)
    lines = []
    for is_table, group in groupby(text.splitlines(), key=lambda line: line[:1] == "|"):
        if is_table:
            lines += _table(list(group))
            continue
        for line in group:
            heading = re.match(r"(#+) (.*)", line)
            if not heading:
                lines.append(line)
            elif len(heading[1]) > 1:
                title = re.sub(r"[][]", "", heading[2])
                lines += [title, UNDERLINES[len(heading[1])] * len(title)]
    return lines


def _table(rows):
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for row in (row for i, row in enumerate(rows) if i != 1):
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        lines += [f"   {'  -' if i else '* -'} {cell}" for i, cell in enumerate(cells)]
    return [*lines, ""]


def setup(app):
    app.add_directive("markdown", Markdown)
    return {"parallel_read_safe": True}
