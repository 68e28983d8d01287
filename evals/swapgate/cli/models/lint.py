"""`swapgate models lint`: ids that move or retire, parameters that are refused, ids written into code."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Annotated, Any

import typer

from swapgate.cli.findings import (
    Placed,
    SarifOption,
    StrictOption,
    described,
    fail_for,
    print_findings,
    tally,
    write_sarif,
)
from swapgate.cli.options import JsonOption, RootOption, open_settings
from swapgate.cli.output import print_json, print_table, shown
from swapgate.errors import UsageError
from swapgate.pins.catalogue import PinCatalogue, bundled
from swapgate.pins.lint import DeclaredModel, Finding, declared_models, lint
from swapgate.pins.scan import ALLOWED, scan_workspace
from swapgate.reporting.format import count
from swapgate.spec.models import Catalogue, keys_of, read_catalogue
from swapgate.spec.pointers import pointer_of
from swapgate.spec.prompt_entries import Prompt, effective
from swapgate.spec.prompts import PromptLibrary
from swapgate.spec.settings import Settings
from swapgate.spec.source import Document, read_yaml

HARD_CODED = "hard-coded"


def lint_models(
    *,
    strict: StrictOption = False,
    sarif: SarifOption = None,
    code: Annotated[
        bool, typer.Option("--code/--no-code", help="Look for model ids in the workspace's source code.")
    ] = True,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say of every model whether its id is pinned, by which rule, until when, and what is wrong with it.

    Calls nothing: what is known comes from the bundled catalogue and each provider's rules for its ids.
    """
    settings = open_settings(root)
    catalogue = read_written(settings)
    known, today = bundled(), today_utc()
    models = declared_models(catalogue, known, today=today)
    findings = _placed(settings, lint(catalogue, models, known, today=today))
    findings += _by_prompts(settings, models)
    if code:
        findings += list(_in_code(settings, known))
    if sarif is not None:
        write_sarif(findings, sarif, category="swapgate-models")
    if as_json:
        print_json(_described(models, findings, known))
    else:
        _print(models, findings, known)
    fail_for(findings, strict=strict)


def read_written(settings: Settings) -> Catalogue:
    """Return the catalogue of the workspace; UsageError where it has none."""
    if not settings.models_file.exists():
        raise UsageError(f"{shown(settings.models_file)} does not exist: `swapgate init` writes one")
    return read_catalogue(settings.models_file)


def today_utc() -> date:
    """Return the day that retirement dates are held against: that of UTC, wherever this runs."""
    return datetime.now(UTC).date()


def _placed(settings: Settings, findings: Sequence[Finding]) -> list[Placed]:
    document = read_yaml(settings.models_file)
    return [
        Placed(
            path=shown(settings.models_file),
            line=_line(document, finding),
            rule=finding.rule,
            severity=finding.severity,
            subject=finding.model,
            message=finding.message,
        )
        for finding in findings
    ]


def _line(document: Document, finding: Finding) -> int:
    entry = keys_of(document, finding.part, finding.model)
    return document.line(f"{pointer_of(entry)}/{finding.key}")


def _by_prompts(settings: Settings, models: Sequence[DeclaredModel]) -> Iterator[Placed]:
    """Yield the parameters that a prompt would send to a model that rejects them."""
    library = PromptLibrary(settings.prompts_dir)
    for name in library.names():
        try:
            prompt = library.get(name)
        except UsageError:
            continue  # `swapgate check` tells of it
        path = library.path(name)
        for model in models:
            for parameter in _refused(prompt, model):
                known = model.pin.known
                unless = known.unless if known is not None else ""
                told = f"the prompt {name!r} sends {parameter!r}, which {model.pin.model!r} rejects{unless}"
                yield Placed(
                    path=shown(path),
                    line=read_yaml(path).line(f"/params/{parameter}") if path.suffix == ".yml" else 1,
                    rule="rejected-parameter",
                    severity="warning",
                    subject=model.name,
                    message=f"{told}: write `unset: [{parameter}]` into the model's entry",
                )


def _refused(prompt: Prompt, model: DeclaredModel) -> list[str]:
    """Return the parameters that the model rejects and gets from this prompt, not from its own entry."""
    sent = effective(prompt, model.spec).params
    refused = model.pin.known.refused(sent) if model.pin.known else []
    return [one for one in refused if one not in model.spec.params]


def _in_code(settings: Settings, known: PinCatalogue) -> Iterator[Placed]:
    for mention in scan_workspace(settings, known):
        what = "is" if mention.is_known else "looks like"
        message = f"{mention.text!r} {what} a model id, which bypasses models.yml"
        yield Placed(
            path=shown(mention.path),
            line=mention.line,
            rule=HARD_CODED,
            severity="warning",
            subject=None,
            message=message,
        )


def _described(
    models: Sequence[DeclaredModel], findings: Sequence[Placed], known: PinCatalogue
) -> dict[str, Any]:
    return {
        "catalogue": {"checked_on": known.checked_on.isoformat(), "sources": dict(known.sources)},
        "models": [describe(model) for model in models],
        "findings": described(findings),
    }


def describe(model: DeclaredModel) -> dict[str, Any]:
    """Return what is known of a declared model, for machines."""
    retires_on = model.pin.known.retires_on if model.pin.known else None
    return {
        "name": model.name,
        "provider": model.spec.provider,
        "model": model.spec.model,
        "class": model.pin.kind,
        "rule": model.pin.rule,
        "evidence": model.pin.evidence,
        "is_pinned": model.pin.is_pinned,
        "retires_on": retires_on.isoformat() if retires_on else None,
        "days_left": model.days_left,
    }


def _print(models: Sequence[DeclaredModel], findings: Sequence[Placed], known: PinCatalogue) -> None:
    header = ("name", "provider", "model", "class", "rule", "retires")
    print_table(header, [_row(model) for model in models])
    print_findings(findings)
    if any(finding.rule == HARD_CODED for finding in findings):
        typer.echo(
            f"in source code: take the id from models.yml, write the comment `{ALLOWED}` beside it, or name "
            "the file or its folder in `code_ignore` of [tool.swapgate]"
        )
    typer.echo(f"{count(len(models), 'model')}: {tally(findings)} (catalogue of {known.checked_on})")


def _row(model: DeclaredModel) -> tuple[str, ...]:
    known = model.pin.known
    retires = f"{known.retires_on} ({model.days_left} days)" if known and known.retires_on else ""
    return (model.name, model.spec.provider, model.spec.model, model.pin.kind, model.pin.rule, retires)
