"""The cases of a report.html, unpacked as its script does it."""

from __future__ import annotations

import base64
import json
import re
import zlib
from typing import Any


def blocks_of(text: str) -> dict[str, Any]:
    """Return what the browser unpacks, by the name of the block."""
    found = re.findall(r'<script type="application/zlib" id="(.*?)">(.*?)</script>', text)
    return {name: json.loads(zlib.decompress(base64.b64decode(packed))) for name, packed in found}


def cases_of(text: str) -> list[dict[str, Any]]:
    """Return every case with its row of the index and its texts, as the page puts them together."""
    blocks = blocks_of(text)
    names = blocks["index"]["names"]
    cases = []
    for row in blocks["index"]["rows"]:
        suite, case, model, _repeat, _is_candidate, standing, flip, tags, reason, part, place = row
        body, texts = blocks[f"cases-{part}"]["trials"][place], blocks[f"cases-{part}"]["texts"]
        told = {"suite": names[suite], "case": case, "model": names[model], "standing": standing}
        told |= {"flip": flip, "tags": [names[tag] for tag in tags], "reason": reason}
        prompt = [texts[number] for _, number in body["messages"]]
        cases.append({**told, **body, "prompt": prompt})
    return cases
