"""A migration from `old` to `candidate` as its workspace remembers it: runs, prompts, traffic, an index.

`python tests/migrations.py FOLDER` lays one, for a look at it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import swapgate
from servers import serving
from shadow_traffic import Quality, World, traffic
from swapgate.cli import main
from swapgate.shadow.records import Count, Exchange
from swapgate.shadow.store import ShadowStore
from test_dry_run import answering
from workspaces import JUDGE, JUDGED_SUITE, case, lay, suite

# A call of either model is of 100 and 50 tokens: $0.002 of `candidate`, $0.02 of `old`, $0.0002 of the judge.
NEW_EACH, OLD_EACH, VERDICT_EACH = 0.002, 0.02, 0.0002
CASES = 6
PROMPT = "prompt: triage\nuser: 'About {{ message }}'\n"
OVERRIDE = "overrides: {candidate: {user: 'Only JSON. About {{ message }}'}}\n"
EMBED = """
import numpy as np
def embed(texts):
    return np.array([[len(text) + 1.0, n + 1.0, 1.0, 0.5] for n, text in enumerate(texts)], dtype=np.float32)
"""
INDEX = """
migration: docs
old: {sqlite: {path: old.db}, embed: {model: wordllama, dimensions: 64}}
new: {sqlite: {path: new.db}, embed: {call: "embed_of_the_move:embed", dimensions: 4}}
source: {jsonl: docs.jsonl}
"""


def lay_files(root: Path, url: str) -> None:
    """Lay the workspace's files, and commit them: the prompt first, its override and a case later."""
    shared = {"provider": "openai-compatible", "base_url": f"{url}/v1", "api_key_env": "PLANTED_KEY"}
    models = {
        "old": {**shared, "model": "o-2026-01-01", "price": {"input": 100, "output": 200}},
        "candidate": {**shared, "model": "m-2026-01-01", "price": {"input": 10, "output": 20}},
        "judge": {**shared, "model": "judge-1", "price": {"input": 1, "output": 2}},
    }
    written = [case(f"case-{n}") for n in range(CASES)]
    head = JUDGED_SUITE.replace('prompt: {user: "{{ message }}"}', "prompt: triage")
    lay(
        root,
        {
            "cases/triage.yml": suite(written[:-1], head=head),
            "judges/meaning.yml": JUDGE,
            "config/models.yml": json.dumps({"models": models}),
            "prompts/triage.yml": PROMPT,
        },
    )
    git(root, "init", "-q")
    commit(root, "Begin")
    lay(root, {"prompts/triage.yml": PROMPT + OVERRIDE, "cases/triage.yml": suite(written, head=head)})
    commit(root, "Ask the candidate for JSON alone")


def lay_migration(root: Path) -> None:
    """Make everything that a migration leaves behind, with the commands and stores that leave it."""
    os.environ["PLANTED_KEY"] = "sk-planted-0123456789abcdef"
    with serving(answering) as server:
        lay_files(root, server.url)
        swapgate.run("cases/triage.yml", model="candidate", baseline="old", root=root)
    mirror(root)
    rows = [
        {"case": f"case-{n}", "verdict": "pass", "truth": "pass", "annotator": who}
        for n in range(4)
        for who in ("ada", "ben")
    ]
    documents = [json.dumps({"id": f"d{n}", "text": f"text {n}"}) for n in range(20)]
    lay(
        root,
        {
            "judges/meaning.labels.jsonl": "\n".join(map(json.dumps, rows)) + "\n",
            "config/index.yml": INDEX,
            "docs.jsonl": "\n".join(documents) + "\n",
            "embed_of_the_move.py": EMBED,
        },
    )
    why = ("--why", "a trial")
    for command in (("begin", *why), ("move", "dual_write", *why), ("reindex",)):
        main(["index", *command, "--root", str(root), "--json"])


def mirror(root: Path) -> None:
    """Put a week of traffic into the store, with what asking the candidate and judging pairs cost."""
    with closing(ShadowStore(root / ".swapgate" / "shadow.db")) as store:
        for exchange in traffic(Quality(), world=World(days=7, per_day=20)):
            store.put(_renamed(exchange))
        for what, amount in (("spent_usd", 12.4), ("judged_usd", 0.6)):
            store.count(Count(day="2026-11-18", route="code_review", what=what, amount=amount))
        store.flush()


def _renamed(exchange: Exchange) -> Exchange:
    """Return an exchange whose candidate is the workspace's."""
    leg = exchange.candidate
    return exchange if leg is None else replace(exchange, candidate=replace(leg, model="candidate"))


def commit(root: Path, message: str) -> None:
    """Commit all that is there."""
    git(root, "add", "cases", "judges", "prompts", "config")
    git(root, "-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-q", "-m", message)


def git(root: Path, *arguments: str) -> str:
    """Run git in a folder."""
    done = subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def yesterday() -> str:
    """Return the date of yesterday."""
    return (datetime.now(UTC) - timedelta(days=1)).date().isoformat()


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True)
    lay_migration(target)
