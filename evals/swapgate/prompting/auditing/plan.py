"""What an audit asks: every case of every prompt on every model, and again without each override."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from swapgate.engine.workspace import Job, ReadySuite, Workspace
from swapgate.errors import UsageError, nearest
from swapgate.prompting.auditing.observed import Arm
from swapgate.spec.models import ModelSpec
from swapgate.spec.prompt_entries import Prompt, effective, matches
from swapgate.values import Value, replace


class OverrideUse(Value):
    """An override of a prompt that applies to a model. `changes` is false where the model gets the same."""

    prompt: str
    override: str
    model: str
    changes: bool


class Planned(Value):
    """The jobs of each arm in the order in which they run, and what there is nothing to ask of.

    `left_out` are prompts and suites with the reason. `unmatched` are overrides that none of the models gets.
    """

    jobs: Sequence[tuple[Arm, Job]]
    overrides: Sequence[OverrideUse]
    prompts: Sequence[str]
    left_out: Sequence[tuple[str, str]]
    unmatched: Sequence[tuple[str, str]]


def plan(
    workspace: Workspace,
    suites: Sequence[ReadySuite],
    *,
    names: Sequence[str] = (),
    is_bare: bool = False,
    ablates: bool = True,
) -> Planned:
    """Return what an audit of the workspace's models asks, of the named prompts or of all.

    With `is_bare` every model gets the base prompt. Raises UsageError for an unknown prompt, and where no
    case is left.
    """
    _refuse_unknown(names, workspace, suites)
    audited = [
        replace(suite, prompt=suite.prompt.with_overrides({})) if is_bare else suite
        for suite in suites
        if suite.prompt is not None and suite.cases and (not names or suite.prompt.prompt in names)
    ]
    prompts = {suite.prompt.prompt: suite.prompt for suite in audited if suite.prompt is not None}
    if not prompts:
        raise UsageError("nothing to audit: no suite with a prompt has a case")
    models = [workspace.model(name) for name, _role in workspace.roles()]
    uses = list(_uses(prompts.values(), models))
    jobs = [(Arm(job.model), job) for suite in audited for job in workspace.jobs(suite)]
    for use in [use for use in uses if use.changes] if ablates else ():
        jobs += _without(use, audited, workspace)
    return Planned(
        jobs=jobs,
        overrides=uses if ablates else (),
        prompts=sorted(prompts),
        left_out=[] if names else list(_left_out(workspace, suites)),
        unmatched=[
            (prompt.prompt, override)
            for prompt in prompts.values()
            for override in prompt.overrides
            if not any(matches(override, model) for model in models)
        ],
    )


def _uses(prompts: Iterable[Prompt], models: Sequence[ModelSpec]) -> Iterator[OverrideUse]:
    for prompt in prompts:
        for override in prompt.overrides:
            for model in models:
                if matches(override, model):
                    changed = (
                        effective(prompt, model).hash != effective(lacking(prompt, override), model).hash
                    )
                    yield OverrideUse(
                        prompt=prompt.prompt, override=override, model=model.name, changes=changed
                    )


def lacking(prompt: Prompt, override: str) -> Prompt:
    """Return the prompt without one override; the others stay."""
    return prompt.with_overrides({key: one for key, one in prompt.overrides.items() if key != override})


def _without(
    use: OverrideUse, suites: Sequence[ReadySuite], workspace: Workspace
) -> Iterator[tuple[Arm, Job]]:
    arm = Arm(use.model, use.prompt, use.override)
    for suite in suites:
        if suite.prompt is None or suite.prompt.prompt != use.prompt:
            continue
        bare = replace(suite, prompt=lacking(suite.prompt, use.override))
        yield from ((arm, job) for job in workspace.jobs(bare) if job.model == use.model)


def _left_out(workspace: Workspace, suites: Sequence[ReadySuite]) -> Iterator[tuple[str, str]]:
    used = {suite.prompt.prompt for suite in suites if suite.prompt is not None}
    yield from ((name, "no suite uses it") for name in workspace.prompts.names() if name not in used)
    for suite in suites:
        if suite.prompt is None:
            yield suite.name, "the suite has no prompt"
        elif not suite.cases:
            yield suite.prompt.prompt, f"the suite {suite.name} has no case"


def _refuse_unknown(names: Sequence[str], workspace: Workspace, suites: Sequence[ReadySuite]) -> None:
    known = {suite.prompt.prompt for suite in suites if suite.prompt is not None}
    for name in names:
        if name in known:
            continue
        if name in workspace.prompts.names():
            raise UsageError(f"no suite uses the prompt {name!r}, so there is no case to ask it with")
        raise UsageError(
            f"unknown prompt {name!r}.{nearest(name, known)} Prompts with cases: {', '.join(sorted(known))}"
        )
