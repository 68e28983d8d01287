"""The parts of a verification: measures against the library's own, overlap's bounds, rulings' edges."""

from __future__ import annotations

import ast
import warnings
from typing import Any

import ir_measures
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swapgate.errors import UsageError
from swapgate.retrieval.verifying.asking import document_of
from swapgate.retrieval.verifying.deciding import Evidence, Ruled, confidences, in_both_views, ruling
from swapgate.retrieval.verifying.differences import difference_interval
from swapgate.retrieval.verifying.grading import agreement
from swapgate.retrieval.verifying.measuring import measured, parse_metrics
from swapgate.retrieval.verifying.overlap import overlap, rank_biased_overlap
from swapgate.retrieval.verifying.percentiles import percentile
from swapgate.spec.index_verify import VerifyEntry

ids = st.integers(0, 30).map(lambda n: f"doc {n}\ud800" if n == 7 else f"doc {n}")
rankings = st.lists(ids, unique=True, max_size=15)
METRICS = ["nDCG@10", "R@5", "Success@3", "RR@4", "P@5", "AP@10", "R(rel=1)@10"]


@settings(max_examples=60, deadline=None)
@given(
    queries=st.lists(
        st.tuples(st.dictionaries(ids, st.integers(0, 3), min_size=1, max_size=12), rankings),
        min_size=1,
        max_size=5,
    ),
    relevant_from=st.integers(1, 3),
    judged_only=st.booleans(),
)
def test_measures_are_those_of_the_library_itself(
    queries: list[tuple[dict[str, int], list[str]]], relevant_from: int, judged_only: bool
) -> None:
    metrics = parse_metrics(METRICS, relevant_from=relevant_from + (relevant_from == 1))
    grades, found = [one[0] for one in queries], [one[1] for one in queries]
    mine = measured(metrics, grades, found, judged_only=judged_only)
    kept = [
        [doc for doc in ranking if doc in of or not judged_only]
        for of, ranking in zip(grades, found, strict=True)
    ]
    # The library reads ids as UTF-8; of runs it breaks ties by id, and leaves queries without a result out.
    plain = [{doc.replace("\ud800", "x"): g for doc, g in of.items()} for of in grades]
    runs = [{doc.replace("\ud800", "x"): float(-place) for place, doc in enumerate(one)} for one in kept]
    qrels = {str(number): of for number, of in enumerate(plain)}
    run = {str(number): one for number, one in enumerate(runs) if one}
    expected = {name: np.zeros(len(queries)) for name in metrics}
    for one in ir_measures.iter_calc(list(metrics.values()), qrels, run):
        name = next(name for name, measure in metrics.items() if measure == one.measure)
        expected[name][int(one.query_id)] = one.value
    for name in metrics:
        assert mine[name] == pytest.approx(expected[name]), name


@pytest.mark.parametrize("name", [*METRICS, "RBP(p=0.7)@10", "nDCG(dcg='exp-log2')@5", "ERR@20", "Judged@10"])
def test_names_are_read_as_the_library_does_and_without_what_python_3_14_lacks(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # From 3.12 on the library's reader warns.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = ir_measures.parse_measure(name) if hasattr(ast, "Num") else None
    monkeypatch.delattr(ast, "Num", raising=False)
    [found] = parse_metrics([name], relevant_from=1).values()
    if "rel" in found.SUPPORTED_PARAMS and expected is not None:
        expected = expected(rel=found["rel"])
    assert expected is None or found == expected


@pytest.mark.parametrize(
    "name",
    ["nDCG(size=3)@10", "nDCG(3)@10", "nDCG('a')@10", "a.b@10", "Nothing@10", "RR@'ten'", "@5"],
)
def test_a_name_that_is_no_measure_is_told(name: str) -> None:
    with pytest.raises(UsageError, match="is no measure of ir-measures: "):
        parse_metrics([name], relevant_from=1)


@given(old=rankings, new=rankings, k=st.integers(1, 20))
def test_overlap_has_its_bounds(old: list[str], new: list[str], k: int) -> None:
    for measure in (lambda a, b: overlap(a, b, k), rank_biased_overlap):
        value = measure(old, new)
        assert 0.0 <= value <= 1.0 + 1e-12
        assert value == pytest.approx(measure(new, old))
        assert measure(old, old) == pytest.approx(1.0)
    if not set(old) & set(new) and (old or new):
        assert rank_biased_overlap(old, new) == 0.0


def test_rank_biased_overlap_of_published_examples() -> None:
    """Webber, Moffat, Zobel 2010, and the reference implementations that follow it."""
    assert rank_biased_overlap(list("abcde"), list("abcde")) == pytest.approx(1.0)
    # The first of two exchanged: (1 - p) (0 + p 1 + p^2 1 + ...) by hand.
    assert rank_biased_overlap(list("ab"), list("ba"), persistence=0.5) == pytest.approx(0.5)
    # A difference at the top weighs more than one below.
    top = rank_biased_overlap(list("xbcde"), list("abcde"))
    bottom = rank_biased_overlap(list("abcdx"), list("abcde"))
    assert top < bottom


def evidence(differences: Any, *, margin: float = 0.1, fewest: int = 30, **more: Any) -> Evidence:
    values = np.asarray(differences, dtype=float)
    usual, strict = confidences(VerifyEntry(), tests=8)
    given_: dict[str, Any] = {"p_adjusted": 0.001, **more}
    return Evidence(
        metric="nDCG@10",
        margin=margin,
        queries=values.size,
        askers=values.size,
        level=0.05,
        fewest=fewest,
        usual=difference_interval(values, None, confidence=usual),
        strict=difference_interval(values, None, confidence=strict),
        **given_,
    )


def test_what_passes_fails_and_stays_open() -> None:
    rng = np.random.default_rng(1)
    assert ruling(evidence(rng.normal(0.0, 0.2, 100))).answer == "pass"
    assert ruling(evidence(rng.normal(-0.4, 0.2, 100))).answer == "fail"
    unclear = ruling(evidence(rng.normal(-0.1, 0.4, 40)))
    assert unclear.answer == "inconclusive"
    assert unclear.needed is not None
    assert "more queries would tell" in unclear.reason


def test_queries_without_any_difference_pass_from_so_many_on() -> None:
    """No query differs: how many it takes until those that were not asked could not hide the margin."""
    assert ruling(evidence([0.0] * 29, p_adjusted=None, fewest=1)).answer == "pass"
    assert ruling(evidence([0.0] * 28, p_adjusted=None, fewest=1)).answer == "inconclusive"
    assert ruling(evidence([0.0] * 59, margin=0.05, p_adjusted=None, fewest=1)).answer == "pass"
    defaults = VerifyEntry()
    assert defaults.min_queries >= 59
    assert defaults.slices.min_queries >= 29


def test_three_queries_that_lose_all_alike_are_no_proof() -> None:
    # The interval of t is as narrow as can be; no permutation test of three pairs goes below 1 in 8.
    values = [-0.99, -1.0, -0.98]
    assert ruling(evidence(values, p_adjusted=0.125)).answer == "inconclusive"
    assert ruling(evidence(values, p_adjusted=0.001)).answer == "fail"


def test_both_ways_of_counting_unlabelled_results_must_agree() -> None:
    fails = Ruled(answer="fail", reason="worse")
    passes = Ruled(answer="pass", reason="not worse")
    shares = {"old_unjudged": 0.1, "new_unjudged": 0.4, "k": 10}
    assert in_both_views(fails, fails, **shares) is fails
    found = in_both_views(fails, passes, **shares)
    assert found.answer == "inconclusive"
    assert "40.0% of its first 10 have no label, 10.0% of the old index's" in found.reason


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32), n=st.integers(2, 60))
def test_an_interval_of_differences_stays_within_what_is_possible(seed: int, n: int) -> None:
    values = np.random.default_rng(seed).choice([-1.0, -0.5, 0.0, 0.0, 0.5, 1.0], size=n)
    found = difference_interval(values, None, confidence=0.9)
    assert found.low is not None
    assert found.high is not None
    assert -1 <= found.low <= found.estimate <= found.high <= 1


def test_a_passing_index_at_the_margin_is_rare() -> None:
    """One twentieth of the indexes that lose exactly the margin may pass: simulated, most queries alike."""
    rng = np.random.default_rng(2)
    usual, _strict = confidences(VerifyEntry(), tests=1)
    passed = 0
    for _ in range(1000):
        values = np.where(rng.random(200) < 0.2, rng.choice([-1.0, -0.5, 0.5], size=200), 0.0)
        values = values + (-0.05 - 0.2 * -1 / 3)
        low = difference_interval(values, None, confidence=usual).low
        passed += low is not None and low > -0.05
    assert passed / 1000 < 0.05 + 4 * 0.0069


def test_percentiles_count_ties_by_half() -> None:
    scores = np.array([0.1, 0.2, 0.2, 0.3])
    assert [percentile(score, scores) for score in (0.0, 0.2, 0.5)] == [0.0, 0.5, 1.0]


def test_a_chunk_is_of_its_document() -> None:
    assert [document_of(one) for one in ("d#0", "d#12", "d", "d#x", "#1", "a#b#2")] == [
        "d", "d", "d", "d#x", "#1", "a#b",
    ]  # fmt: skip


def test_agreement_of_a_judge_with_people() -> None:
    found = agreement([(3, 3), (0, 0), (2, 3), (1, 0), (3, 0), (0, 0)])
    assert found is not None
    assert (found.checked, found.exact) == (6, 0.5)
    assert found.within_one == pytest.approx(5 / 6)
    assert agreement([]) is None
