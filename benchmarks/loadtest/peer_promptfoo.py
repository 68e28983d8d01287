"""The same work with promptfoo: writes its configuration here, then becomes its `eval`.

The first argument is its program, which node runs; the JSON schema is its `is-json`, the judge `llm-rubric`.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from benchmarks.loadtest.workload import PROMPT, RUBRIC, SCHEMA, diff


def configuration(url: str, cases: int) -> dict[str, object]:
    """Return what its configuration file holds."""

    def model(name: str) -> dict[str, object]:
        return {"id": f"openai:chat:{name}", "config": {"apiBaseUrl": f"{url}/v1", "apiKey": "mock-key"}}

    return {
        "prompts": [PROMPT.replace("{diff}", "{{diff}}")],
        "providers": [model("model-mock")],
        "defaultTest": {
            "options": {"provider": model("judge-mock")},
            "assert": [{"type": "is-json", "value": SCHEMA}, {"type": "llm-rubric", "value": RUBRIC}],
        },
        "tests": [{"vars": {"diff": diff(number)}} for number in range(cases)],
    }


def main(program: Path, url: str, cases: int, concurrency: int, *, uses_cache: bool) -> None:
    """Write the configuration and become promptfoo; its exit code is not 0 when a case failed."""
    Path("promptfooconfig.json").write_text(json.dumps(configuration(url, cases)), encoding="utf-8")
    os.environ.update(
        PROMPTFOO_CONFIG_DIR=str(Path("promptfoo").resolve()),
        PROMPTFOO_DISABLE_TELEMETRY="1",
        PROMPTFOO_DISABLE_UPDATE="1",
        PROMPTFOO_DISABLE_REMOTE_GENERATION="1",
    )
    # An own node, where its folder brings one: what promptfoo asks for may be newer than the machine's.
    own = program.parent / "node"
    options = ["-c", "promptfooconfig.json", "-j", str(concurrency), "--no-table", "--no-progress-bar"]
    options += ["--no-share"] if uses_cache else ["--no-share", "--no-cache"]
    node = str(own) if own.exists() else "node"
    os.execvp(node, [node, str(program), "eval", *options])


if __name__ == "__main__":
    main(
        Path(sys.argv[1]),
        sys.argv[2],
        int(sys.argv[3]),
        int(sys.argv[4]),
        uses_cache="cache" in sys.argv[5:],
    )
