"""Open files: what a user may raise is raised; what cannot be had is told before the first call."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from processes import start_pytest
from servers import Answer, openai_completion, serving
from workspaces import RIGHT, case, lay, suite

pytest.importorskip("resource", reason="this system has no such limit")

EVALS = Path(__file__).parents[1] / "evals"
ASKED = """\
import resource
from swapgate.engine.open_files import allow_calls
resource.setrlimit(resource.RLIMIT_NOFILE, (100, 500))
for calls in (20, 200, 300):
    allow_calls(calls, endpoints=2)
    print(resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def test_limit_is_raised_as_far_as_it_is_needed_and_may_be() -> None:
    found = subprocess.run(
        [sys.executable, "-c", ASKED],
        env={"PYTHONPATH": str(EVALS)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.splitlines() == ["(100, 500)", "(440, 500)", "(500, 500)"]


def test_more_calls_than_files_are_refused_before_the_first(pytester: pytest.Pytester) -> None:
    with serving(lambda _request: Answer(openai_completion(RIGHT))) as server:
        new = {"provider": "openai-compatible", "base_url": f"{server.url}/v1", "model": "new"}
        lay(
            pytester.path,
            {
                "cases/triage.yml": suite([case("one")]),
                "config/models.yml": f"models: {{new: {new}}}",
                "conftest.py": "import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))\n",
            },
        )
        process = start_pytest(pytester.path, "--model=new", "--concurrency=256")
        said, _ = process.communicate()
        assert process.returncode == 4, said
        assert "ERROR: --concurrency=256 takes about 296 open files, and a process may have 200 here" in said
        assert "say --concurrency=160, or raise that limit (ulimit -n)" in said
        assert server.requests == []
        process = start_pytest(pytester.path, "--model=new", "--concurrency=160")
        said, _ = process.communicate()
        assert process.returncode == 0, said
