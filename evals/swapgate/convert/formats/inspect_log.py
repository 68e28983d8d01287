"""A log of Inspect: JSON, or the zip file `.eval`. Samples become cases, their outputs recorded answers."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from swapgate.convert import assertions
from swapgate.convert.imported import (
    Imported,
    ImportedCase,
    Judges,
    Output,
    Untranslated,
    as_id,
    as_mapping,
    content_text,
    unique_ids,
)
from swapgate.convert.reading import Source
from swapgate.errors import UsageError
from swapgate.records import Json

_MOST_BYTES = 500_000_000
_OF_SWAPGATE = {"tags", "outcome", "not_scored", "prompt"}
_ROLES = ("system", "user", "assistant")


def recognises(source: Source) -> bool:
    """Whether it is an `.eval` file, or JSON with an `eval` and its samples."""
    if source.suffix == ".eval":
        return True
    data = source.data()
    return isinstance(data, dict) and isinstance(data.get("eval"), dict) and "task" in data["eval"]


def read(source: Source) -> Imported:
    """Return a case a sample; epochs are repeats."""
    log = _zipped(source) if source.suffix == ".eval" else as_mapping(source.json, place=source.shown)
    samples = [as_mapping(one, place=source.shown) for one in log.get("samples") or []]
    if not samples:
        raise UsageError(f"{source.shown}: the log has no samples, of its status {log.get('status')!r}")
    spec = log["eval"]
    own = (spec.get("metadata") or {}).get("swapgate_model")
    model = as_id(own or spec.get("model") or "") or "imported"
    judges = Judges()
    checks, used, left = _scorers(spec, judges)
    by_sample: dict[str, list[Mapping[str, Any]]] = {}
    for sample in samples:
        by_sample.setdefault(str(sample.get("id")), []).append(sample)
    ids = unique_ids(by_sample)
    left += [one for name, same in zip(ids, by_sample.values(), strict=True) for one in _left(name, same[0])]
    return Imported(
        name=as_id(str(spec["task"]).rpartition("/")[2]) or source.path.stem,
        cases=[_case(name, same, model, checks) for name, same in zip(ids, by_sample.values(), strict=True)],
        suite_judges=used,
        judges=judges.files,
        untranslated=left,
        notes=["the log's scores are left where they are: the suite's own checks and judges score anew"],
    )


def _case(name: str, same: Sequence[Mapping[str, Any]], model: str, scorers: Sequence[str]) -> ImportedCase:
    sample = same[0]
    given = sample.get("input")
    target = sample.get("target")
    targets = [str(one) for one in target] if isinstance(target, list) else [str(target or "")]
    turns = given if isinstance(given, list) else []
    inputs: dict[str, Json] = {} if turns else {"input": str(given)}
    if sample.get("choices"):
        inputs["choices"] = sample["choices"]
    return ImportedCase(
        name=name,
        input=inputs,
        messages=[
            {"role": turn["role"], "content": content_text(turn.get("content"))}
            for turn in turns
            if turn.get("role") in _ROLES
        ],
        expected=targets[0] if targets[0] else None,
        tags=_tags(sample),
        checks=[check for scorer in scorers for check in _check(scorer, targets)],
        outputs=[
            Output(model=model, repeat=int(one.get("epoch") or 1), text=text)
            for one in same
            if (text := _completion(one)) is not None
        ],
    )


def _completion(sample: Mapping[str, Any]) -> str | None:
    output = sample.get("output") or {}
    if output.get("completion"):
        return str(output["completion"])
    choices = output.get("choices") or []
    return content_text((choices[0].get("message") or {}).get("content")) if choices else None


def _check(scorer: str, targets: Sequence[str]) -> Iterator[Json]:
    """Yield the check that a scorer makes of a sample's target."""
    wanted = [target for target in targets if target]
    if not wanted:
        return
    if scorer == "includes":
        yield assertions.contains(wanted, ignore_case=True, of_any=True)
    elif scorer == "exact":
        yield assertions.equals(wanted[0], ignore_case=True)


def _scorers(spec: Mapping[str, Any], judges: Judges) -> tuple[list[str], list[str], list[Untranslated]]:
    """Return the scorers that become checks of each case, the judges of the suite, and what is left."""
    checks: list[str] = []
    used: list[str] = []
    left: list[Untranslated] = []
    for scorer in spec.get("scorers") or []:
        name = str(scorer.get("name", "")).rpartition("/")[2]
        if name in ("includes", "exact") and not scorer.get("options"):
            checks.append(name)
        elif name in ("model_graded_qa", "model_graded_fact"):
            used.append(judges.of_library("factual_accuracy"))
            why = "the ready judge factual_accuracy stands in its place: its words are other ones"
            left.append(Untranslated(place="scorer", what=name, why=why))
        else:
            why = "what it compares is not in the log: write a check or a judge for it"
            left.append(Untranslated(place="scorer", what=name, why=why))
    return checks, used, left


def _tags(sample: Mapping[str, Any]) -> list[str]:
    tags = (sample.get("metadata") or {}).get("tags")
    return [str(tag) for tag in tags] if isinstance(tags, list) else []


def _left(name: str, sample: Mapping[str, Any]) -> Iterator[Untranslated]:
    for key in ("files", "sandbox", "setup"):
        if sample.get(key):
            yield Untranslated(place=name, what=key, why="a case has no sandbox")
    # What swapgate writes there is said again by every run.
    if (sample.get("metadata") or {}).keys() - _OF_SWAPGATE:
        yield Untranslated(place=name, what="metadata", why="a case has tags alone")
    turns = sample.get("input")
    for turn in turns if isinstance(turns, list) else []:
        if turn.get("role") not in _ROLES:
            why = "left out of the conversation"
            yield Untranslated(place=name, what=f"a turn of {turn.get('role')}", why=why)


def _zipped(source: Source) -> Mapping[str, Any]:
    """Return the log of a zip file: its header, and every sample in it."""
    try:
        with zipfile.ZipFile(source.path) as archive:
            if sum(info.file_size for info in archive.infolist()) > _MOST_BYTES:
                raise UsageError(f"{source.shown}: more than 500 MB unpacked: import a part of it")
            names = sorted(name for name in archive.namelist() if name.startswith("samples/"))
            header = json.loads(archive.read("header.json"))
            return {**header, "samples": [json.loads(archive.read(name)) for name in names]}
    except (zipfile.BadZipFile, KeyError, ValueError, OSError) as exc:
        raise UsageError(f"{source.shown}: not a whole log of Inspect: {exc}") from exc
    except NotImplementedError as exc:
        raise UsageError(
            f"{source.shown}: packed in a way that this Python cannot read ({exc}): write it as JSON with "
            "`inspect log convert --to json`"
        ) from exc
