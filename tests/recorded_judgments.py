"""Recorded judgments of the folder SWAPGATE_DATA, as the rows of calibrations."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

needs_data = pytest.mark.skipif(
    not os.environ.get("SWAPGATE_DATA"), reason="SWAPGATE_DATA names no folder of recorded judgments"
)
ANSWERS = {"1": "a", "2": "b", "None": None}


@cache
def rows(name: str) -> list[dict[str, Any]]:
    """Return the rows of a recorded file."""
    path = Path(os.environ["SWAPGATE_DATA"]) / name
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def llmbar_pairs(judge: str, prompt: str) -> Iterator[Mapping[str, Any]]:
    """Yield LLMBar's pairs with one judge's verdicts in both orders: output 1 is a, output 2 is b."""
    items = {item["item_id"]: item for item in rows("llmbar/items.jsonl")}
    for verdict in rows("llmbar/verdicts.jsonl"):
        if (verdict["judge"], verdict["prompt"]) == (judge, prompt):
            item = items[verdict["item_id"]]
            yield {
                "suite": "llmbar",
                "case": verdict["item_id"],
                "group": item["subset"].rpartition("/")[2],
                "winner": ANSWERS[verdict["winner_ab"]],
                "winner_swapped": ANSWERS[verdict["winner_ba"]],
                "truth": ANSWERS[str(item["label"])],
                "characters": [len(item["output_1"]), len(item["output_2"])],
            }


def crscore_ratings() -> Iterator[Mapping[str, Any]]:
    """Yield CRScore's comments that two people rated, a row a person."""
    for row in rows("crscore/double_rated.jsonl"):
        for rater, scores in row["human"].items():
            yield {
                "model": row["system"],
                "suite": "crscore",
                "case": row["item_id"],
                "cluster": row["cluster_id"],
                "verdict": None,
                "truth": "pass" if scores["relevance"] >= 4 else "fail",
                "truth_scores": scores,
                "annotator": rater,
                "characters": len(row["review"]),
            }
