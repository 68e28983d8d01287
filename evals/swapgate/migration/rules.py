"""The article's five rules as checks: config in YAML, shadow, semantic evals, pins, portable prompts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

from swapgate.engine.workspace import ReadyCase, ReadySuite
from swapgate.migration.checklist import Check, Said, done, still_open, unknown
from swapgate.migration.looked import Looked
from swapgate.migration.shadow_traffic import store_path
from swapgate.pins import LOCK_FILE
from swapgate.pins.catalogue import bundled
from swapgate.pins.lint import declared_models, lint
from swapgate.pins.scan import scan_workspace
from swapgate.prompting.lint import lint_prompt
from swapgate.prompting.uses import uses_by_prompt
from swapgate.reporting.format import count
from swapgate.shadow.plan import SHADOW_CONFIG
from swapgate.shadow.store import ShadowStore
from swapgate.spec.prompt_entries import matches

_SHOWN = 3


def config_in_yaml(looked: Looked) -> Said:
    """Models are declared in models.yml, and no id stands in source code."""
    settings = looked.settings
    declared = looked.workspace.catalogue.names()
    if not declared:
        return still_open("no model is declared", f"write models into {settings.models_file.name}")
    config = (settings.root / "config").resolve()
    found = [one for one in scan_workspace(settings, bundled()) if not one.path.is_relative_to(config)]
    if found:
        first = found[0]
        at = f"{first.path.relative_to(settings.root.resolve())}:{first.line}"
        return still_open(
            f"{count(len(found), 'model id')} in source code, the first at {at}", "swapgate models lint"
        )
    return done(f"{count(len(declared), 'model')} in models.yml, and no id in source code")


def shadow_is_on(looked: Looked) -> Said:
    """Real traffic is mirrored to the new model."""
    if not (looked.settings.root / SHADOW_CONFIG).is_file():
        return still_open(f"no {SHADOW_CONFIG}", "swapgate shadow serve (docs/shadow.md)")
    path = store_path(looked.settings)
    if not path.is_file():
        return still_open("it is configured, and nothing was mirrored yet", "swapgate shadow serve")
    with closing(ShadowStore(path)) as store:
        asked = sum(
            one.exchange.candidate is not None and one.exchange.candidate.model == looked.new
            for one in store.exchanges()
        )
    if not asked:
        return still_open(f"no exchange with an answer of {looked.new}", "swapgate shadow serve")
    return done(f"{count(asked, 'exchange')} with an answer of {looked.new}")


def semantic_evals(looked: Looked) -> Said:
    """Every case asks whether the answer is right, and not whether it looks right alone."""
    cases = {f"{suite.name}/{one.placed.case.id}": one for suite in looked.suites for one in suite.cases}
    blind = [name for name, one in cases.items() if not _has_meaning(one)]
    if blind:
        some = ", ".join(blind[:_SHOWN])
        return still_open(
            f"{len(blind):,} of {count(len(cases), 'case')} check the structure alone: {some}",
            "name a judge under `judges`, or a reference with the check `expected` (docs/judges.md)",
        )
    return done(f"every one of {count(len(cases), 'case')} has a judge or a reference")


def _has_meaning(one: ReadyCase) -> bool:
    return bool(one.judges) or any(check.kind == "semantic" for check in one.checks)


def pinned(looked: Looked) -> Said:
    """Both models' ids stand for one model each, and the lock says so."""
    catalogue, known, names = looked.workspace.catalogue, bundled(), {looked.old, looked.new}
    models = declared_models(catalogue, known, today=looked.today)
    found = lint(catalogue, models, known, today=looked.today)
    loose = [one for one in found if one.severity == "error" and one.model in names]
    if loose:
        return still_open(f"{loose[0].model}: {loose[0].message}", "swapgate models lint")
    if not (looked.settings.models_file.parent / LOCK_FILE).is_file():
        return still_open(f"no {LOCK_FILE} says what answers", "swapgate models lock")
    return done(f"{looked.old} and {looked.new} are pinned or accepted, and {LOCK_FILE} is there")


def portable_prompts(looked: Looked) -> Said:
    """Prompts stand in files with overrides for single models, and none of them contradicts its suite."""
    inline = [suite.name for suite in looked.suites if suite.prompt and not _is_in_file(suite)]
    if inline:
        return still_open(
            f"the prompt of {', '.join(inline[:_SHOWN])} stands in the suite", "move it into prompts/"
        )
    names = looked.workspace.prompts.names()
    if not names:
        return unknown("no prompt here: the cases bring whole conversations", "docs/prompts.md")
    specs = [looked.old_spec, looked.new_spec]
    uses = uses_by_prompt(looked.suites)
    prompts = [looked.workspace.prompts.get(name) for name in names]
    wrong = [
        one
        for prompt in prompts
        for one in lint_prompt(prompt, uses.get(prompt.prompt, []), specs)
        if one.severity == "error"
    ]
    if wrong:
        return still_open(f"{count(len(wrong), 'error')}: {wrong[0].message}", "swapgate prompt lint")
    own = sum(any(matches(name, looked.new_spec) for name in prompt.overrides) for prompt in prompts)
    return done(f"{count(len(names), 'prompt')} in files, {own:,} with an override for {looked.new}")


def _is_in_file(suite: ReadySuite) -> bool:
    return isinstance(suite.loaded.suite.prompt, str)


def rules() -> Iterator[Check]:
    """Yield the five rules, in the article's order."""
    for name, title, look in (
        ("config", "Models are configuration, not code", config_in_yaml),
        ("shadow", "Real traffic is mirrored", shadow_is_on),
        ("semantic", "Evals ask for meaning", semantic_evals),
        ("pins", "Versions are pinned", pinned),
        ("prompts", "Prompts are portable, with overrides", portable_prompts),
    ):
        yield Check(name=name, part="rules", title=title, look=look)
