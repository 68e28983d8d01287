"""People label what customers asked: python label.py NUMBER. So many questions about drugs are added."""

import sys
from pathlib import Path

from swapgate.retrieval.demo import questions
from swapgate.retrieval.demo.folder import label

HERE = Path(__file__).parent


def main(number: int) -> None:
    known = (HERE / "data/queries.jsonl").read_text()
    new = [one for one in questions() if one.slice == "medical" and f'"{one.id}"' not in known][:number]
    label(HERE, new)
    print(f"{len(new)} questions about drugs were labelled")


main(int(sys.argv[1]))
