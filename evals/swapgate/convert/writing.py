"""An imported suite as files of a workspace: all of them or none, and none that its own reader refuses."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from swapgate.convert.imported import Imported, ImportedCase, unique_ids
from swapgate.errors import StoreError, UsageError
from swapgate.records import Json
from swapgate.spec.read_suites import read_suite
from swapgate.spec.settings import Settings

MOST_INLINE = 50


def files_of(imported: Imported, settings: Settings, *, judge_model: str) -> dict[Path, str]:
    """Return the files that a suite is written as, by their paths.

    Judges get `judge_model`. Many cases stand in a file of their own; several prompts make several suites of
    the same cases. Answers that were recorded become outputs of the provider `recorded`.
    """
    cases_dir = settings.cases_dirs[0]
    found: dict[Path, str] = {}
    is_inline = len(imported.cases) <= MOST_INLINE and len(imported.prompts) <= 1
    if not is_inline:
        written = (json.dumps(_case(case), ensure_ascii=False) for case in imported.cases)
        found[cases_dir / f"{imported.name}.jsonl"] = "\n".join(written) + "\n"
    for name, prompt in imported.prompts.items() or [("", None)]:
        is_one = len(imported.prompts) <= 1
        suite = imported.name if is_one else f"{imported.name}-{name}"
        cases = [_case(case) for case in imported.cases] if is_inline else f"{imported.name}.jsonl"
        found[cases_dir / f"{suite}.yml"] = yaml_text(_suite(imported, suite, prompt, cases))
    for name, judge in imported.judges.items():
        found[settings.judges_dir / f"{name}.yml"] = yaml_text({"judge": name, "model": judge_model, **judge})
    for model, lines in _outputs(imported):
        found[settings.root / "outputs" / f"{imported.name}-{model}.jsonl"] = lines
    return found


def write_files(files: Mapping[Path, str], settings: Settings, *, overwrite: bool) -> None:
    """Write the files, after the suites among them have been read once.

    Raises UsageError for a file that exists, SpecError for a suite that cannot be read, StoreError for a
    folder that cannot be written. Nothing is written then.
    """
    existing = sorted(str(path.relative_to(settings.root)) for path in files if path.exists())
    if existing and not overwrite:
        raise UsageError(f"{', '.join(existing)}: already there. Give another --suite, or --force to replace")
    try:
        with tempfile.TemporaryDirectory(dir=settings.root, prefix=".swapgate-import-") as folder:
            laid = {path: Path(folder) / path.relative_to(settings.root) for path in files}
            for path, text in files.items():
                laid[path].parent.mkdir(parents=True, exist_ok=True)
                laid[path].write_text(text, encoding="utf-8")
            for path in files:
                if path.suffix == ".yml" and path.is_relative_to(settings.cases_dirs[0]):
                    read_suite(laid[path], root=Path(folder))
            for path, temporary in laid.items():
                path.parent.mkdir(parents=True, exist_ok=True)
                shutil.move(temporary, path)
    except OSError as exc:
        raise StoreError(f"{settings.root}: cannot be written: {exc.strerror or exc}") from exc


def _suite(
    imported: Imported, name: str, prompt: Mapping[str, Json] | None, cases: Sequence[Json] | str
) -> dict[str, Any]:
    written: dict[str, Any] = {"suite": name}
    if imported.description:
        written["description"] = imported.description
    if prompt is not None:
        written["prompt"] = dict(prompt)
    elif not all(case.messages for case in imported.cases):
        written["prompt"] = {"user": _bare_prompt(imported)}
    for key, value in (("checks", imported.checks), ("judges", imported.suite_judges)):
        if value:
            written[key] = [*value]
    if isinstance(cases, str):
        return {**written, "cases_from": cases}
    return {**written, "cases": [*cases]}


def _bare_prompt(imported: Imported) -> str:
    """Return a prompt that shows every variable that a case has: the file brought none."""
    names = list(dict.fromkeys(name for case in imported.cases for name in case.input))
    if len(names) == 1:
        return f"{{{{ {names[0]} }}}}"
    return "".join(_shown_if_there(name, imported.cases) for name in names)


def _shown_if_there(name: str, cases: Sequence[ImportedCase]) -> str:
    line = f"{name}: {{{{ {name} }}}}\n"
    return (
        line
        if all(name in case.input for case in cases)
        else f"{{% if {name} is defined %}}{line}{{% endif %}}"
    )


def _case(case: ImportedCase) -> dict[str, Json]:
    written: dict[str, Json] = {"id": case.name}
    parts: list[tuple[str, Any]] = [
        ("tags", [*case.tags]),
        ("cluster", case.cluster),
        ("input", dict(case.input)),
        ("messages", [dict(turn) for turn in case.messages]),
        ("expected", case.expected),
        ("checks", [*case.checks]),
        ("judges", [*case.judges]),
    ]
    written.update({key: value for key, value in parts if value})
    return written


def _outputs(imported: Imported) -> Iterator[tuple[str, str]]:
    """Yield the recorded answers of each model, as lines of the provider `recorded`."""
    models = list(dict.fromkeys(output.model for case in imported.cases for output in case.outputs))
    for model, name in zip(models, unique_ids(models), strict=True):
        lines = [
            {"case": case.name, "repeat": output.repeat, "output": output.text}
            for case in imported.cases
            for output in case.outputs
            if output.model == model
        ]
        yield name, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


def yaml_text(value: Mapping[str, Any]) -> str:
    """Return YAML in the order given, as people write it."""
    import yaml

    class Dumper(yaml.SafeDumper):
        """Texts of several lines as blocks: people read these files."""

    def block(dumper: Any, text: str) -> Any:
        style = "|" if "\n" in text else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)

    Dumper.add_representer(str, block)
    dumped: str = yaml.dump(dict(value), Dumper=Dumper, sort_keys=False, allow_unicode=True, width=110)
    return dumped
