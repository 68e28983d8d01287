"""The statistics page: its command runs and prints what stands below it, its table is computed."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest

from swapgate.stats import cases_for_power, floor_cases

PAGE = (Path(__file__).parents[1] / "docs" / "statistics.md").read_text(encoding="utf-8")


EXAMPLES = re.findall(r'```console\n\$ python -c "\n(.*?)"\n```\n\n```text\n(.*?)```', PAGE, re.DOTALL)


@pytest.mark.parametrize(("command", "shown"), EXAMPLES)
def test_an_example_prints_what_the_page_shows(command, shown):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(command, {})
    assert printed.getvalue() == shown


def test_there_are_examples():
    assert len(EXAMPLES) == 2


def test_the_table_of_fewest_cases_is_computed():
    margins = re.search(r"^\| margin \| (.*) \|$", PAGE, re.MULTILINE)[1].split(" | ")
    fewest = re.search(r"^\| fewest cases \| (.*) \|$", PAGE, re.MULTILINE)[1].split(" | ")
    assert [str(floor_cases(float(margin))) for margin in margins] == fewest


def test_the_table_of_cases_for_power_is_computed():
    rows = re.findall(r"^\| (0\.\d\d) \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \|$", PAGE, re.MULTILINE)
    assert len(rows) == 3
    for margin, *shown in rows:
        planned = [cases_for_power(margin=float(margin), discordance=share) for share in (0.04, 0.10, 0.20)]
        assert [f"{plan.cases:,}" for plan in planned] == shown
