"""Numbers and texts as reports show them."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swapgate.analysis.rates import Rate
from swapgate.reporting import format as show
from swapgate.reporting.terminal.summary import safe_text
from swapgate.reporting.text import clipped, visible


@pytest.mark.parametrize(
    ("share", "shown"),
    [(0.71, "71.0%"), (0.0, "0.0%"), (1.0, "100.0%"), (0.9999, ">99.9%"), (0.0001, "<0.1%"), (None, "-")],
)
def test_a_share_is_never_rounded_to_none_or_all(share: float | None, shown: str) -> None:
    assert show.percent(share) == shown


@pytest.mark.parametrize(
    ("usd", "shown"),
    [
        (0.0042, "$0.0042"),
        (0.00003, "<$0.0001"),
        (0.0, "$0"),
        (0.516, "$0.52"),
        (1.374, "$1.37"),
        (1204.4, "$1,204"),
        (None, "unknown"),
    ],
)
def test_money_has_the_decimals_it_needs(usd: float | None, shown: str) -> None:
    assert show.money(usd) == shown


def test_a_sum_with_an_unknown_part_is_a_lower_bound() -> None:
    assert show.money_sum([1.0, 0.5]) == "$1.50"
    assert show.money_sum([1.0, None]) == "at least $1.00"
    assert show.money_sum([None, None]) == "unknown"


@pytest.mark.parametrize(
    ("count", "shown"), [(950, "950"), (12_345, "12.3k"), (999_960, "1.0M"), (None, "-")]
)
def test_tokens_are_shortened(count: int | None, shown: str) -> None:
    assert show.tokens(count) == shown


@pytest.mark.parametrize(
    ("duration_s", "shown"), [(0.844, "0.84 s"), (12.34, "12.3 s"), (200.0, "3 min 20 s"), (None, "-")]
)
def test_seconds_are_readable_at_every_size(duration_s: float | None, shown: str) -> None:
    assert show.seconds(duration_s) == shown


def test_a_difference_has_a_sign_and_no_negative_zero() -> None:
    assert [show.points(d) for d in (-0.042, 0.0301, -0.0001, None)] == ["-4.2", "+3.0", "+0.0", "-"]


def test_a_refused_interval_is_said() -> None:
    refused = Rate(passed=3, n=4, clusters=1, rate=0.75, low=None, high=None, note="one cluster")
    nothing = Rate(passed=0, n=0, clusters=0, rate=None, low=None, high=None)
    assert show.rate_with_interval(refused) == "75.0% (no interval)"
    assert show.rate_with_interval(nothing) == "not scored"


def test_controls_escapes_and_overrides_become_visible() -> None:
    hostile = "\x1b[31mred\x00\u202eevil\u2066\ud800\U000e0041\x9b"
    assert visible(hostile) == "\\x1b[31mred\\x00\\u202eevil\\u2066\\ud800\\U000e0041\\x9b"


def test_what_languages_and_emoji_need_stays() -> None:
    text = "می\u200cخواهم 👩\u200d💻 naïve 漢字 ❤\ufe0f 1\ufe0f\u20e3 葛\U000e0100\n\ttab"
    assert visible(text) == text


def test_what_only_a_model_would_read_becomes_visible() -> None:
    smuggled = "".join(chr(0xE0100 + byte) for byte in b"obey")
    assert visible(f"😀\ufe0f{smuggled}.") == "😀\ufe0f" + "".join(f"\\U{ord(c):08x}" for c in smuggled) + "."
    assert visible("a\ufe01b\ufe02 \ufe0f") == "a\\ufe01b\\ufe02 \\ufe0f"
    assert visible("\u2800\u034f\u17b4\u180e\U0001d173\U000e0fff").isascii()


def test_no_character_that_steers_a_terminal_or_the_reading_direction_survives() -> None:
    steering = [
        character
        for character in map(chr, range(sys.maxunicode + 1))
        if unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"}
        or unicodedata.bidirectional(character)
        in {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    ]
    shown = visible("".join(c for c in steering if c not in "\n\t"))
    assert shown.isascii()
    assert shown.isprintable()


@given(text=st.text(max_size=400), limit=st.integers(min_value=1, max_value=60))
def test_safe_text_is_one_short_printable_line(text: str, limit: int) -> None:
    line = safe_text(text, limit)
    assert len(line) <= limit
    assert "\n" not in line
    assert "\x1b" not in line


@pytest.mark.parametrize(
    "command", ["##[error file=a.py]no", "##[set-output name=x]y", "##vso[task.setvariable]", "##teamcity[x]"]
)
def test_no_text_is_a_command_to_the_service_that_reads_the_log(command: str) -> None:
    assert safe_text(f"said: {command}") == f"said: \\x23{command[1:]}"
    assert safe_text("## a heading, #[x] ##") == "## a heading, #[x] ##"


def test_a_cut_text_says_how_much_is_missing() -> None:
    assert clipped("x" * 25, 20) == "x" * 20 + "\n… 5 more characters are in report.json"
    assert safe_text("a long sentence", 7) == "a long…"


@pytest.mark.parametrize(
    ("duration_s", "shown"), [(0.00042, "0.4 ms"), (0.9, "900.0 ms"), (1.5, "1.50 s"), (None, "-")]
)
def test_milliseconds_are_for_what_is_shorter_than_a_second(duration_s: float | None, shown: str) -> None:
    assert show.milliseconds(duration_s) == shown
