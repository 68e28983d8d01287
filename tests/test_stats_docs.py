"""The statistics page: its command runs and prints what stands below it, its table is computed."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

from swapgate.stats.power import floor_cases

PAGE = (Path(__file__).parents[1] / "docs" / "statistics.md").read_text(encoding="utf-8")


def test_the_worked_example_prints_what_the_page_shows():
    command, shown = re.search(
        r'```console\n\$ python -c "\n(.*?)"\n```\n\n```text\n(.*?)```', PAGE, re.DOTALL
    ).groups()
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(command, {})
    assert printed.getvalue() == shown


def test_the_table_of_fewest_cases_is_computed():
    margins = re.search(r"^\| margin \| (.*) \|$", PAGE, re.MULTILINE)[1].split(" | ")
    fewest = re.search(r"^\| fewest cases \| (.*) \|$", PAGE, re.MULTILINE)[1].split(" | ")
    assert [str(floor_cases(float(margin))) for margin in margins] == fewest
