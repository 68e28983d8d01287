"""An audit from its trials: asked for now, or stored by runs; and all that it says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from swapgate.analysis.error_limit import DEFAULT_ERRORS
from swapgate.engine.canaries import judges_of
from swapgate.engine.judging_only import Draw
from swapgate.engine.workspace import ReadySuite, Workspace
from swapgate.errors import ErrorKind, ExitCode
from swapgate.prompting.auditing.cells import Cell, cells_of, fewest_cases
from swapgate.prompting.auditing.observed import Arm, Observation, observe
from swapgate.prompting.auditing.overrides import Keep, keeps_of
from swapgate.prompting.auditing.plan import OverrideUse, Planned
from swapgate.prompting.auditing.shifts import Floors
from swapgate.prompting.session import open_session
from swapgate.records import Trial
from swapgate.values import Value

_NOT_STORED = "stored runs hold no trial without it: audit without --runs"


class Audit(Value):
    """What an audit says. `models` begin with the base; `tests` are those that a prompt stands among.

    `fewest_cases` is how many a prompt needs to be shown to differ at all. `asked` counts all trials, those
    without an override too; `runs` are the stored ones that they are from, where they were not asked for.
    """

    models: tuple[str, ...]
    floors: Floors
    cells: tuple[Cell, ...]
    keeps: tuple[Keep, ...]
    left_out: tuple[tuple[str, str], ...]
    unmatched: tuple[tuple[str, str], ...]
    asked: int
    errored: int
    tests: int
    fewest_cases: int
    paid_usd: float
    runs: tuple[str, ...] = ()
    is_bare: bool = False
    notes: tuple[str, ...] = ()

    @property
    def base(self) -> str:
        """The model that the others are held against."""
        return self.models[0]

    @property
    def prompts(self) -> tuple[str, ...]:
        """The prompts that were asked, by name."""
        return tuple(dict.fromkeys(cell.prompt for cell in self.cells))

    @property
    def differing(self) -> tuple[str, ...]:
        """The prompts that differ from the base on any other model, by name."""
        return tuple(dict.fromkeys(cell.prompt for cell in self.cells if cell.standing == "differs"))

    @property
    def exit_code(self) -> ExitCode:
        """What a command ends with that does not mind prompts that differ."""
        is_poor = self.asked and self.errored / self.asked > DEFAULT_ERRORS
        return ExitCode.TOO_MANY_ERRORS if is_poor else ExitCode.OK


def ask(
    workspace: Workspace,
    planned: Planned,
    *,
    floors: Floors,
    is_bare: bool = False,
    draw: Draw = lambda _progress: None,
) -> Audit:
    """Run the planned trials and return what they say; answers in the cache cost nothing."""
    jobs = [job for _arm, job in planned.jobs]
    judges = judges_of({job.suite.name: job.suite for job in jobs}.values())
    arms: dict[Arm, list[Observation]] = {}
    with open_session(workspace, [job.case for job in jobs], draw=draw) as session:
        for (arm, _job), trial in zip(planned.jobs, session.run(jobs), strict=True):
            arms.setdefault(arm, []).append(observe(trial, judges=judges))
        paid_usd = session.paid_usd
    return _concluded(
        arms,
        models=[name for name, _role in workspace.roles()],
        uses=planned.overrides,
        floors=floors,
        left_out=planned.left_out,
        unmatched=planned.unmatched,
        paid_usd=paid_usd,
        is_bare=is_bare,
    )


def of_stored(
    trials: Iterable[Trial],
    *,
    models: Sequence[str],
    suites: Sequence[ReadySuite],
    uses: Sequence[OverrideUse],
    runs: Sequence[str],
    floors: Floors,
) -> Audit:
    """Return what trials of stored runs say of the models, the first of which is the base."""
    judges = judges_of(suites)
    arms: dict[Arm, list[Observation]] = {Arm(model): [] for model in models}
    for trial in trials:
        if Arm(trial.model) in arms and trial.prompt is not None:
            arms[Arm(trial.model)].append(observe(trial, judges=judges))
    return _concluded(arms, models=models, uses=uses, floors=floors, runs=runs)


def _concluded(
    arms: Mapping[Arm, Sequence[Observation]],
    *,
    models: Sequence[str],
    uses: Sequence[OverrideUse],
    floors: Floors,
    left_out: Sequence[tuple[str, str]] = (),
    unmatched: Sequence[tuple[str, str]] = (),
    paid_usd: float = 0.0,
    runs: Sequence[str] = (),
    is_bare: bool = False,
) -> Audit:
    everything = [one for observed in arms.values() for one in observed]
    counting = {arm: [one for one in own if not one.facts.is_quarantined] for arm, own in arms.items()}
    cells = cells_of({model: counting[Arm(model)] for model in models}, base=models[0], floors=floors)
    tests = sum(shift.p_value is not None for cell in cells for shift in cell.shifts)
    return Audit(
        models=tuple(models),
        floors=floors,
        cells=cells,
        keeps=keeps_of(uses, counting, floors=floors, why_not_asked=_NOT_STORED if runs else ""),
        left_out=tuple(left_out),
        unmatched=tuple(unmatched),
        asked=len(everything),
        errored=sum(one.facts.outcome == "errored" for one in everything),
        tests=tests,
        fewest_cases=fewest_cases(tests),
        paid_usd=paid_usd,
        runs=tuple(runs),
        is_bare=is_bare,
        notes=tuple(_notes(everything, counting)),
    )


def _notes(everything: Sequence[Observation], counting: Mapping[Arm, Sequence[Observation]]) -> list[str]:
    notes = []
    kept = sum(map(len, counting.values()))
    if kept < len(everything):
        notes.append(f"{len(everything) - kept:,} trials are of cases in quarantine and do not count")
    cut = sum(one.facts.error_kind == ErrorKind.BUDGET for one in everything)
    if cut:
        notes.append(
            f"--max-cost ended it: {cut:,} trials have no result. Run it again with more: what is answered "
            "is in the cache and costs nothing"
        )
    reasons = [one.facts.reason for one in everything if one.facts.outcome == "errored"]
    if reasons:
        notes.append(f"{len(reasons):,} of {len(everything):,} trials errored, the first: {reasons[0]}")
    if any(one.facts.judging for one in everything):
        notes.append("rates are those of the judges' verdicts: no calibration corrects them here")
    return notes
