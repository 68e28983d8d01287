"""One invocation, and the parts that it was made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from swapgate.records.judge_trust import JudgeCalibration, JudgeCanaries
from swapgate.records.written import Json
from swapgate.values import Value


class ModelIdentity(Value):
    """A model as declared: the name in models.yml and what stands behind it. Never a key."""

    name: str
    provider: str
    model: str
    base_url: str | None = None
    api_version: str | None = None
    params: Mapping[str, Json] = field(default_factory=dict)
    file_sha256: str | None = None


class ServedModel(Value):
    """What the services said of the answers of one model of the catalogue, as they came in during a run.

    `judge` is the judge for which it was asked, None for the answers that are judged. `ids` are the models
    that were served under its name, `fingerprints` those of their configuration, `answers` how many there
    were; all sorted. An answer from the cache says what was served when it was made.
    """

    model: str
    judge: str | None = None
    ids: tuple[str, ...] = ()
    fingerprints: tuple[str, ...] = ()
    answers: int = 0


class LockedIds(Value):
    """What the lock said of a model when the run began: the ids and fingerprints that it knew.

    `run` is the one that had seen them, None where the lock knew of none.
    """

    model: str
    ids: tuple[str, ...] = ()
    fingerprints: tuple[str, ...] = ()
    run: str | None = None


class StoppedRule(Value):
    """What the looks of a run that may stop early say about one rule of the gate, for one candidate.

    `suite`, `prompt` and `tag` name its scope. `low` and `high` hold the truth at all looks together, with
    `confidence`; None where no look could say. `look` counts the looks, `trials` what it saw.
    """

    rule: str
    measure: str
    model: str
    answer: str
    look: int
    trials: int
    confidence: float
    suite: str | None = None
    prompt: str | None = None
    tag: str | None = None
    low: float | None = None
    high: float | None = None


class Stopping(Value):
    """How a run that may stop early went: `looks` is their planned number, None for one after every case.

    `stopped` names the candidates that were decided before the end, each with the reason. `saved_trials` were
    not run for that; `saved_usd` is what they would have cost at the run's own mean, None when unknown.
    """

    looks: int | None
    seed: int
    planned_cases: int
    cases: int
    stopped: Mapping[str, str] = field(default_factory=dict)
    rules: tuple[StoppedRule, ...] = ()
    saved_trials: int = 0
    saved_usd: float | None = None


class Shard(Value):
    """Which share of one selection a run has: `number` of `count`, counted from 1.

    `plan` is the hash of the whole selection and `sizes` are the trials of each shard; both are empty until
    the cases were collected. `problem` says why the shard did not run to its end, empty when it did.
    """

    number: int
    count: int
    plan: str = ""
    sizes: tuple[int, ...] = ()
    problem: str = ""

    @property
    def name(self) -> str:
        """What people call it: `3/10`."""
        return f"{self.number}/{self.count}"


class Run(Value):
    """One invocation: what was run, with what, when. Times are ISO 8601 in UTC.

    `planned` of the `wanted` trials that the suites hold were selected; `wanted` is 0 where nobody counted.
    `is_complete` turns true once every planned trial has been stored; `is_partial` says that only a
    selection of the workspace's cases was planned (such a run never becomes a baseline). `seed` is that of
    the order of cases under `--stop-early`. `merged` names the shards that it was made of, `completes`
    the run whose trials without a result were run again, `rejudges` the one whose stored answers were judged
    again. `canaries` are the answers that must fail, as the run's judges judged them before its first trial.
    `prompt_hashes` are those of the prompts as each model was asked, by `SUITE/MODEL`; `schema_hashes` those
    of the schemas that answers were held against, by their files' names. `served` is known at the end,
    `locked` is what the lock says of these models, where it declares them as they are.
    `command` is what was typed, without what may be a secret. `baseline_file` is the file that holds the
    stored baseline, where it is one, as seen from the workspace.
    """

    id: str
    started_at: str
    models: tuple[ModelIdentity, ...]
    judges: tuple[ModelIdentity, ...] = ()
    judge_hashes: Mapping[str, str] = field(default_factory=dict)
    baseline: str | None = None
    repeats: int = 1
    suites: tuple[str, ...] = ()
    suite_hashes: Mapping[str, str] = field(default_factory=dict)
    planned: int = 0
    wanted: int = 0
    is_partial: bool = False
    is_complete: bool = False
    finished_at: str | None = None
    git_commit: str | None = None
    git_dirty: bool | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Json] = field(default_factory=dict)
    seed: int = 0
    calibrations: tuple[JudgeCalibration, ...] = ()
    stopping: Stopping | None = None
    shard: Shard | None = None
    merged: tuple[str, ...] = ()
    completes: str | None = None
    rejudges: str | None = None
    canaries: tuple[JudgeCanaries, ...] = ()
    git_branch: str | None = None
    prompt_hashes: Mapping[str, str] = field(default_factory=dict)
    schema_hashes: Mapping[str, str] = field(default_factory=dict)
    served: tuple[ServedModel, ...] = ()
    locked: tuple[LockedIds, ...] = ()
    platform: str = ""
    command: tuple[str, ...] = ()
    baseline_file: str | None = None
