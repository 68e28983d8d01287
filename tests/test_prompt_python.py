"""Prompts that stand in a Python file: read as they are, and nothing of the file is run."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swapgate.cli import main
from swapgate.errors import SpecError
from swapgate.spec.models import ModelSpec
from swapgate.spec.prompts import PromptLibrary, read_prompt, render
from swapgate.spec.python_prompts import PythonPromptError, read_python
from workspaces import case, lay, suite

# As the article has them, one beneath the other.
ARTICLE = '''\
SYSTEM_PROMPT = """
You are a code review assistant.
Analyze the following diff and return a JSON object with:
  - "issues": list of {severity, line, description}
  - "summary": one sentence summary
  - "recommendation": "approve" | "request_changes" | "comment"

Do not include any text outside the JSON object.
"""

SYSTEM_PROMPT_DEEPSEEK = """
You are a code review assistant. Respond with ONLY a JSON object.
No preamble. No explanation. No markdown fences.

Output schema:
{
  "issues": [{"severity": "...", "line": N, "description": "..."}],
  "summary": "...",
  "recommendation": "approve|request_changes|comment"
}

Diff to analyze:
{{diff_text}}
"""
'''
TURNS = """
USER_PROMPT = "{{diff_text}}"
USER_PROMPT_DEEPSEEK = None
"""
OLD = ModelSpec(name="gpt-5.5", provider="openai", model="gpt-5.5-2026-04-23")
NEW = ModelSpec(name="cheap", provider="deepseek", model="deepseek-v4-pro")


def test_the_articles_two_prompts_are_one_prompt_with_an_override(tmp_path: Path) -> None:
    lay(tmp_path, {"code_review.py": ARTICLE + TURNS})
    prompt = PromptLibrary(tmp_path).get("code_review")
    old = render(prompt, model=OLD, variables={"diff_text": "+ x"})
    new = render(prompt, model=NEW, variables={"diff_text": "+ x"})
    assert [message.role for message in old.messages] == ["system", "user"]
    assert "list of {severity, line, description}" in old.messages[0].content
    assert new.overrides == ("*deepseek*",)
    assert [message.role for message in new.messages] == ["system"]
    assert new.messages[0].content.endswith("Diff to analyze:\n+ x")


def test_suffix_with_underscores_stands_for_dots_and_dashes(tmp_path: Path) -> None:
    written = 'USER_PROMPT: str = "a"\nUSER_PROMPT_GPT_5_5 = ("b" "c")\nPARAMS = {"temperature": 0}\n'
    lay(tmp_path, {"p.py": written})
    rendered = render(read_prompt(tmp_path / "p.py"), model=OLD, variables={})
    assert rendered.messages[0].content == "bc"
    assert rendered.params == {"temperature": 0}


def test_nothing_of_the_file_is_run(tmp_path: Path) -> None:
    text = f'open({str(tmp_path / "ran")!r}, "w")\nimport os; os.abort()\nUSER_PROMPT = "x"\n'
    lay(tmp_path, {"p.py": text})
    assert read_prompt(tmp_path / "p.py").user == "x"
    assert not (tmp_path / "ran").exists()
    assert "p" not in sys.modules


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x = 1\nUSER_PROMPT = f'{x}'\n", "p.py:2: USER_PROMPT is no plain literal: no code"),
        ("USER_PROMPT = open('x').read()\n", "p.py:1: USER_PROMPT is no plain literal"),
        ("USER_PROMPT = (\n", "p.py:1: not Python: "),
        ("x = 1\n", "p.py:1: it holds no SYSTEM_PROMPT"),
        ("\n\nUSER_PROMPT = 5\n", "p.py:3: 'user'"),
        ("USER_PROMPT = '{{ x '\n", "p.py:1: 'user': template"),
        ("USER_PROMPT = 'x'\n\nUSER_PROMPT_B = '{{ x '\n", "p.py:3: 'overrides.*b*.user': template"),
        (f"USER_PROMPT = {'(' * 5000}\n", "p.py:1: not Python"),
        (f"USER_PROMPT = '{'x' * 1_000_001}'\n", "at most 1,000,000"),
    ],
)
def test_what_is_wrong_is_said_at_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    lay(tmp_path, {"p.py": text})
    with pytest.raises(SpecError) as error:
        read_prompt(tmp_path / "p.py")
    assert told in str(error.value)


def test_other_code_in_the_folder_is_no_prompt_until_it_is_asked_for(tmp_path: Path) -> None:
    lay(tmp_path, {"__init__.py": "", "code.py": "x = 1\n", "p.py": "USER_PROMPT = 'x'\n"})
    library = PromptLibrary(tmp_path)
    assert library.names() == ("p",)
    with pytest.raises(SpecError, match="holds no SYSTEM_PROMPT"):
        library.get("code")


@given(text=st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        read_python(text)
    except PythonPromptError as exc:
        assert exc.line >= 1


def test_python_prompts_are_linted_and_checked_and_modules_beside_them_are_let_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lay(
        tmp_path,
        {
            "prompts/__init__.py": "",
            "prompts/_texts.py": "x = 1",
            "prompts/triage.py": '# ours\n\nUSER_PROMPT = "Label {{ message }}, sk-abcdefghijklmnop1234"\n',
            "cases/triage.yml": suite([case("a")], head="suite: triage\nprompt: triage"),
            "config/models.yml": "models: {m: {provider: openai, model: gpt-5.5-2026-04-23}}",
        },
    )
    assert main(["check"]) == 0
    assert "1 prompt," in capsys.readouterr().out
    assert main(["prompt", "lint", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    secret = next(one for one in found["findings"] if one["rule"] == "secret")
    assert (secret["path"], secret["line"]) == ("prompts/triage.py", 3)


def test_bad_files_of_every_kind_are_one_message_each(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    levels = "".join(f"  a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9))
    texts = {
        "bomb.yml": f"prompt: bomb\nuser: x\nparams:\n  a0: &a0 [x, x, x]\n{levels}",
        "nested.json": "[" * 100_000,
        "deep.txt": f"{{{{ {'(' * 5000}message{')' * 5000} }}}}",
        "escape.j2": "{{ message.__class__.__mro__[1].__subclasses__() }}",
        "recursion.j2": "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}{{ message }}",
    }
    lay(tmp_path, {f"prompts/{name}": text for name, text in texts.items()})
    with (tmp_path / "prompts" / "big.txt").open("wb") as file:
        file.truncate(100_000_000)
    for name in ("escape", "recursion"):
        lay(tmp_path, {f"cases/{name}.yml": suite([case("a")], head=f"suite: {name}\nprompt: {name}")})
    lay(tmp_path, {"config/models.yml": "models: {m: {provider: openai, model: gpt-5.5-2026-04-23}}"})
    assert main(["check"]) == 4
    told = capsys.readouterr()
    for start in (
        "prompts/big.txt: the file has 100 MB, at most 50 are read",
        "prompts/bomb.yml:10: more than 2,000,000 values",
        "prompts/nested.json:1: not valid JSON",
        "prompts/deep.txt:1: 'user': template: ",
        "cases/escape.yml:4: case 'a': prompt 'escape' for model 'm': the template is not allowed to do this",
        "cases/recursion.yml:4: case 'a': prompt 'recursion' for model 'm': the template is out of bounds",
    ):
        assert sum(line.startswith(start) for line in told.out.splitlines()) == 1, told.out
    assert "Traceback" not in told.out + told.err
