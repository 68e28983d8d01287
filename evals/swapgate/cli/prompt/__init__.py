"""`swapgate prompt`: what a model gets, how it differs for another, what is wrong, how it travels."""

from __future__ import annotations

import typer

from swapgate.cli.prompt.audit import audit_prompts
from swapgate.cli.prompt.diff import diff_prompt
from swapgate.cli.prompt.lint import lint_prompts
from swapgate.cli.prompt.render import render_prompt
from swapgate.cli.prompt.suggest import suggest_override

prompt_app = typer.Typer(help="Look at the prompts.")
prompt_app.command("audit")(audit_prompts)
prompt_app.command("diff")(diff_prompt)
prompt_app.command("lint")(lint_prompts)
prompt_app.command("render")(render_prompt)
prompt_app.command("suggest")(suggest_override)
