"""Measures of rankings against labels, by ir-measures: one value a query, a side and a measure."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from swapgate.errors import UsageError
from swapgate.spec.index_verify import cutoff_of

if TYPE_CHECKING:
    import ir_measures

Floats = npt.NDArray[np.float64]
INSTALL = "pip install 'swapgate[retrieval]'"
# Cut off by ourselves, so that trec_eval's own code measures it: another provider is a hundred times slower.
_CUT_BEFORE = "RR"


def parse_metrics(names: Sequence[str], *, relevant_from: int) -> dict[str, ir_measures.Measure]:
    """Return the measures of these names; UsageError for one that is none, or without ir-measures.

    Where a measure knows of relevant and not relevant alone, and its name does not say from which grade on,
    `relevant_from` does.
    """
    try:
        import ir_measures
    except ModuleNotFoundError as exc:
        raise UsageError(f"measures need ir-measures. Run: {INSTALL}") from exc
    found: dict[str, ir_measures.Measure] = {}
    for name in names:
        try:
            measure = _read(name, ir_measures.measures.registry)
            if "rel" in measure.SUPPORTED_PARAMS and "rel" not in measure.params:
                measure = measure(rel=relevant_from)
            measure.validate_params()  # type: ignore[no-untyped-call]
        except (AssertionError, NameError, ValueError, TypeError, KeyError, SyntaxError) as exc:
            raise UsageError(
                f"verify: metrics: {name!r} is no measure of ir-measures: {exc}. Such are nDCG@10, R@100, "
                "Success@5, RR@10, P@10, AP@100"
            ) from exc
        if measure in found.values():
            raise UsageError(f"verify: metrics: {name!r} is another one of them, written differently")
        found[name] = measure
    return found


def _read(name: str, known: Mapping[str, type[ir_measures.Measure]]) -> ir_measures.Measure:
    """Return the measure of a name, `NAME(PARAM=VALUE)@CUTOFF`.

    ir-measures 0.4.3 reads it by `ast.Num`, which Python 3.12 warns of and 3.14 does not have.
    """
    node = ast.parse(name, mode="eval").body
    cutoff: object = None
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
        cutoff = ast.literal_eval(node.right)
        node = node.left
    params: dict[str, object] = {}
    if isinstance(node, ast.Call) and not node.args:
        params = {str(one.arg): ast.literal_eval(one.value) for one in node.keywords}
        node = node.func
    if not isinstance(node, ast.Name):
        raise ValueError("wanted NAME@CUTOFF or NAME(PARAM=VALUE)@CUTOFF")
    if node.id not in known:
        raise NameError(f"there is no measure {node.id}")
    kind = known[node.id]
    if cutoff is not None:
        params[kind.AT_PARAM] = cutoff
    return kind(**params)


def measured(
    metrics: Mapping[str, ir_measures.Measure],
    grades: Sequence[Mapping[str, int]],
    rankings: Sequence[Sequence[str]],
    *,
    judged_only: bool = False,
) -> dict[str, Floats]:
    """Return each measure's value of each query; `judged_only` passes over results without a label.

    Every query needs a label. Ids never reach the library: they may be of any characters.
    """
    if judged_only:
        rankings = [
            [one for one in ranking if one in of_query]
            for ranking, of_query in zip(rankings, grades, strict=True)
        ]
    numbered = [_numbered(of_query, ranking) for of_query, ranking in zip(grades, rankings, strict=True)]
    values: dict[str, Floats] = {name: np.zeros(len(grades)) for name in metrics}
    if not grades:
        return values
    for asked, cutoff in _rounds(metrics):
        qrels = {str(number): one[0] for number, one in enumerate(numbered)}
        run = {str(number): _scored(one[1][:cutoff]) for number, one in enumerate(numbered) if one[1]}
        for name, query, value in _calculated(asked, qrels, run):
            values[name][query] = value
    return values


def _rounds(
    metrics: Mapping[str, ir_measures.Measure],
) -> Iterator[tuple[dict[str, ir_measures.Measure], int | None]]:
    """Yield the measures that are calculated together, and how much of the rankings is given to them."""
    import ir_measures

    together = {name: one for name, one in metrics.items() if one.NAME != _CUT_BEFORE}
    if together:
        yield together, None
    for name, one in metrics.items():
        if one.NAME == _CUT_BEFORE:
            yield {name: ir_measures.RR(rel=one["rel"])}, cutoff_of(name)


def _calculated(
    metrics: Mapping[str, ir_measures.Measure],
    qrels: dict[str, dict[str, int]],
    run: dict[str, dict[str, float]],
) -> Iterator[tuple[str, int, float]]:
    import ir_measures

    names = {measure: name for name, measure in metrics.items()}
    try:
        for found in ir_measures.iter_calc(list(metrics.values()), qrels, run):
            value = float(found.value)
            if not 0.0 <= value <= 1.0:
                raise UsageError(f"verify: metrics: {names[found.measure]} is not between 0 and 1")
            yield names[found.measure], int(found.query_id), value
    except (ValueError, RuntimeError) as exc:
        raise UsageError(f"verify: metrics: {', '.join(metrics)}: cannot be calculated: {exc}") from exc


def _numbered(grades: Mapping[str, int], ranking: Sequence[str]) -> tuple[dict[str, int], list[str]]:
    numbers: dict[str, str] = {}
    for one in (*grades, *ranking):
        numbers.setdefault(one, str(len(numbers)))
    return {numbers[one]: grade for one, grade in grades.items()}, [numbers[one] for one in ranking]


def _scored(ranking: Sequence[str]) -> dict[str, float]:
    """Return the ids with scores that fall by rank: of equal ones the library would choose the order."""
    return {one: float(len(ranking) - place) for place, one in enumerate(ranking)}
