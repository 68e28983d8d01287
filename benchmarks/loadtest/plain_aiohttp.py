"""The same work without a tool: asyncio and aiohttp, a JSON schema, a judge, one line written a case.

What remains of a run when everything that an evaluation needs beside the calls is left out.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import aiohttp

# What jsonschema reads for seconds where it finds it; it came with swapgate, a plain script has not got it.
sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]

from jsonschema import Draft202012Validator

from benchmarks.loadtest.workload import PROMPT, RUBRIC, SCHEMA, diff


async def main(url: str, cases: int, concurrency: int) -> list[str]:
    """Ask and judge every case; return a line each."""
    validator = Draft202012Validator(SCHEMA)
    slots = asyncio.Semaphore(concurrency)
    connector = aiohttp.TCPConnector(limit=concurrency)
    lines: list[str] = []
    async with aiohttp.ClientSession(connector=connector) as session:

        async def ask(model: str, content: str) -> str:
            body = {"model": model, "messages": [{"role": "user", "content": content}]}
            async with slots, session.post(f"{url}/v1/chat/completions", json=body) as reply:
                text: str = (await reply.json())["choices"][0]["message"]["content"]
            return text

        async def run(number: int) -> None:
            changed = diff(number)
            answer = await ask("model-mock", PROMPT.replace("{diff}", changed))
            faults = [fault.message for fault in validator.iter_errors(json.loads(answer))]
            verdict = await ask("judge-mock", f"{RUBRIC}\n{changed}\n{answer}")
            lines.append(json.dumps({"case": number, "faults": faults, "verdict": verdict}))

        await asyncio.gather(*map(run, range(cases)))
    return lines


if __name__ == "__main__":
    results = asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
    Path("results.jsonl").write_text("\n".join(results) + "\n")
