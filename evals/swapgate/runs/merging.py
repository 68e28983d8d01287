"""Shards made one run again: held against each other, their trials put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from swapgate.errors import UsageError
from swapgate.facts import Facts
from swapgate.memory.history import HistoryWriter, StoredTrials
from swapgate.records import Json, Run, Shard
from swapgate.runs.found_shards import StoredShard
from swapgate.runs.manifest import new_id
from swapgate.runs.parts import TrialKey, differing, key_of
from swapgate.runs.served import merged_served
from swapgate.spec.settings import Settings
from swapgate.values import Value, replace


class Merged(Value):
    """One run of all shards. `why_not_judged` is None when they are all there and all cases were selected."""

    run: Run
    shards: Sequence[StoredShard]
    facts: Sequence[Facts]
    missing: tuple[str, ...]
    why_not_judged: str | None


def merge(shards: Sequence[StoredShard], *, allow_missing: bool = False) -> Merged:
    """Return the shards as one run; UsageError where they are not of one run, or not all there."""
    _refuse_strangers(shards)
    by_number = _by_number(shards)
    first = _first_begun(by_number)
    missing = _missing(by_number, first.shard)
    if missing and not allow_missing:
        raise UsageError(
            f"not all shards are there: {'; '.join(missing)}. Run them, or say --allow-missing: "
            "the run is then put together, and not judged"
        )
    own = _together(by_number)
    baseline = {key_of(one): one for shard in by_number.values() for one in shard.baseline}
    run = _one_run(first, by_number, stored=len(own), missing=missing)
    return Merged(
        run=run,
        shards=tuple(by_number.values()),
        facts=[*own, *baseline.values()],
        missing=tuple(missing),
        why_not_judged=f"shards are missing: {'; '.join(missing)}" if missing else _why_partial(run),
    )


def store(merged: Merged, settings: Settings) -> StoredTrials:
    """Write the run into the workspace's history, shard by shard; StoreError when it cannot be.

    The trials of a stored baseline go with it: the machine that merges has often never seen its run. Those of
    all shards may be more than fits, and so they are read here for the first time since they were counted.
    """
    writer = HistoryWriter(settings.history, merged.run)
    writer.begin()
    lacking = {key_of(one): one for one in merged.facts}
    for shard in merged.shards:
        for trial in shard.trials:
            # The same baseline goes with every shard.
            if (facts := lacking.pop(key_of(trial), None)) is not None:
                writer.add(trial, facts)
                writer.keep_up()
    writer.finish(merged.run, facts=merged.facts)
    return StoredTrials(settings.history, merged.run.id, is_fresh=True)


def _why_partial(run: Run) -> str | None:
    return "partial selection" if run.planned < run.wanted else None


def _first_begun(by_number: Mapping[int, StoredShard]) -> StoredShard:
    """Return the first shard that knows the plan of the whole."""
    for _number, one in sorted(by_number.items()):
        if one.shard.sizes:
            return one
    raise UsageError(f"{_who(next(iter(by_number.values())))} never began, nor did another. Run them again")


def _one_run(
    begun: StoredShard, by_number: Mapping[int, StoredShard], *, stored: int, missing: Sequence[str]
) -> Run:
    runs = [one.run for _number, one in sorted(by_number.items())]
    first, planned = begun.run, sum(begun.shard.sizes)
    ended_at = max(run.finished_at or run.started_at for run in runs)
    warnings = dict.fromkeys(text for run in runs for text in _warnings(run.settings))
    return replace(
        first,
        id=new_id(),
        # It is a run of its own, and newer than its shards, from when the last of them had ended.
        started_at=ended_at,
        finished_at=ended_at,
        planned=planned,
        is_complete=stored >= planned,
        is_partial=bool(missing) or planned < first.wanted,
        git_dirty=any(run.git_dirty for run in runs) if first.git_commit else None,
        settings={**first.settings, "warnings": list(warnings)},
        shard=None,
        merged=tuple(run.id for run in runs),
        served=merged_served(runs),
        # What was typed was a shard's.
        command=(),
    )


def _warnings(settings: Mapping[str, Json]) -> list[str]:
    written = settings.get("warnings")
    return [str(text) for text in written] if isinstance(written, list) else []


# Held against each other


def _refuse_strangers(shards: Sequence[StoredShard]) -> None:
    """Refuse shards of different runs: of other cases, models, judges or settings, or of another commit."""
    first = shards[0]
    for other in shards[1:]:
        found = differing(first.run, other.run)
        if first.run.git_commit != other.run.git_commit:
            found.append(f"the commit ({first.run.git_commit} and {other.run.git_commit})")
        if first.shard.count != other.shard.count:
            found.append(f"the number of shards ({first.shard.count} and {other.shard.count})")
        is_other_plan = first.shard.plan and other.shard.plan and first.shard.plan != other.shard.plan
        if is_other_plan and not found:
            found.append("the selection of cases (paths, -k, -m)")
        if found:
            raise UsageError(
                f"{_who(first)} and {_who(other)} are not of one run: they differ in {'; '.join(found)}. "
                "Run them with the same files, models and options, and leave out what is of another run"
            )
    _refuse_other_prompts(shards)


def _refuse_other_prompts(shards: Sequence[StoredShard]) -> None:
    """Refuse shards that asked one model in different words; the prompt's file is no part of the suite."""
    seen: dict[tuple[str, str], tuple[str, StoredShard]] = {}
    for one in shards:
        for suite, model, asked in one.prompts:
            before, other = seen.setdefault((suite, model), (asked, one))
            if before != asked:
                raise UsageError(
                    f"{_who(other)} and {_who(one)} are not of one run: they differ in the prompt of "
                    f"{suite} for {model}. Run them from the same files"
                )


def _by_number(shards: Sequence[StoredShard]) -> dict[int, StoredShard]:
    """Return one run of each shard: of several that agree the one that has most of it."""
    found: dict[int, StoredShard] = {}
    for one in sorted(shards, key=lambda s: (bool(s.why_unfinished), -len(s.facts), s.run.started_at)):
        other = found.setdefault(one.shard.number, one)
        if other is not one and (case := _first_disagreement(other, one)):
            raise UsageError(
                f"{_who(other)} and {_who(one)} disagree, first on {case}. Leave out one of them: which of "
                "two answers counts cannot be chosen after they are known"
            )
    return found


def _first_disagreement(one: StoredShard, other: StoredShard) -> str:
    ours = {key_of(facts): facts for facts in one.facts}
    for facts in other.facts:
        known = ours.get(key_of(facts))
        if known is not None and _results(known) != _results(facts):
            return f"{facts.suite}/{facts.case} by {facts.model}"
    return ""


def _results(facts: Facts) -> Facts:
    return facts._replace(from_cache=False, paid_usd=None, judge_paid_usd=None)


def _missing(by_number: Mapping[int, StoredShard], shard: Shard) -> list[str]:
    """Return the shards that are not there, or not whole, each with the reason; empty ones are not wanted."""
    missing = []
    for number in range(1, shard.count + 1):
        is_wanted = not shard.sizes or shard.sizes[number - 1] > 0
        if number not in by_number:
            missing += [f"{number}/{shard.count}"] if is_wanted else []
        elif why := by_number[number].why_unfinished:
            missing.append(f"{number}/{shard.count} ({why})")
    return missing


def _together(by_number: Mapping[int, StoredShard]) -> list[Facts]:
    """Return the facts of all shards in order; UsageError where two shards hold the same trial."""
    found: dict[TrialKey, StoredShard] = {}
    for one in by_number.values():
        for facts in one.facts:
            if (other := found.setdefault(key_of(facts), one)) is not one:
                raise UsageError(
                    f"{_who(other)} and {_who(one)} both hold {facts.suite}/{facts.case} by {facts.model}: "
                    "they are not shards of one selection"
                )
    return sorted((facts for one in by_number.values() for facts in one.facts), key=key_of)


def _who(one: StoredShard) -> str:
    return f"shard {one.shard.name} ({one.source})"
