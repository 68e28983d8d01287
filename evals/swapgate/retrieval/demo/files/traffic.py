"""Customers ask: python traffic.py CONFIG NUMBER. One question in six is about a drug."""

import json
import random
import sys
from collections import Counter
from pathlib import Path

from swapgate.retrieval import open_router

HERE = Path(__file__).parent
SHARES = {"general": 5, "medical": 1}


def main(config: str, number: int) -> None:
    questions = [json.loads(line) for line in (HERE / "data/questions.jsonl").read_text().splitlines()]
    by_slice = {name: [one for one in questions if one["slice"] == name] for name in SHARES}
    drawn = random.Random(f"{config} {number}")
    served = Counter[str]()
    with open_router(HERE / config, root=HERE) as router:
        for _ in range(number):
            [name] = drawn.choices(list(SHARES), list(SHARES.values()))
            question = drawn.choice(by_slice[name])
            customer = f"customer-{drawn.randrange(2000)}"
            served[router.search(question["text"], 10, key=customer).served_by] += 1
        router.drain()
    old, new = served["old"], served["new"]
    print(f"{number:,} questions: {old:,} served by the old index, {new:,} by the new one")


main(sys.argv[1], int(sys.argv[2]))
