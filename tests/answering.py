"""A migration of two indexes with questions, and models behind loopback servers that behave in known ways."""

from __future__ import annotations

import hashlib
import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from judge_servers import reply
from servers import Answer, Received, Server, openai_completion, serving
from swapgate.retrieval.adapters.sqlite import SqliteIndex
from swapgate.retrieval.fingerprint import Fingerprint
from verifying import WIDTH, Place, details, store
from workspaces import lay

UNKNOWN = "the texts do not say"
SUITE = """\
suite: docs_qa
prompt: {user: "Q: {{ question }}\\nTexts:\\n{{ context }}"}
checks: [{expected: text}]
cases_from: questions.jsonl
"""
ANSWERS = """
answers:
  suite: rag/docs_qa.yml
  control: old-model
  candidate: new-model
  k: 2
"""
# Answers a question from the texts; the question, then the texts.
Model = Callable[[str, str], str]


def careful(question: str, texts: str) -> str:
    """Answer from the texts, and say so where they do not hold it."""
    wanted = question.rsplit(maxsplit=1)[-1]
    return wanted if wanted in texts.split() else UNKNOWN


def ignoring(share: float) -> Model:
    """Return a model that answers a share of the questions without a look at the texts."""

    def answer(question: str, texts: str) -> str:
        digest = hashlib.sha256(question.encode()).digest()[0] / 256
        return "something of its own" if digest < share else careful(question, texts)

    return answer


def shy_of_summaries(question: str, texts: str) -> str:
    """Answer nothing from texts that are summaries."""
    return UNKNOWN if "summary" in texts else careful(question, texts)


def _model_of(request: Received, models: dict[str, Model]) -> Answer:
    """Answer as the model does; one that raises ValueError is a service that refuses the request."""
    asked: str = request.json["messages"][-1]["content"]
    question, _, texts = asked.removeprefix("Q: ").partition("\nTexts:\n")
    try:
        return Answer(openai_completion(models[request.json["model"]](question, texts)))
    except ValueError:
        return Answer({"error": {"message": "not this one"}}, status=400)


def _judge_of(request: Received) -> Answer:
    """Judge faithfulness: what is said must stand in the texts; or retrieval: whether the texts say it."""
    asked: str = request.json["messages"][1]["content"]
    given, _, judged = asked.partition("The answer to judge:\n")
    judged = judged.partition("\n\n")[0]
    words = judged.split("\n", 1)[1].rsplit("\n", 1)[0]
    if "IS IT FOUND" in asked:
        question = given.partition("question:\n")[2].split("\n")[1]
        return Answer(openai_completion(reply(question.split()[-1] in words.split())))
    return Answer(openai_completion(reply(words == UNKNOWN or words in given.split())))


@contextmanager
def answering(models: dict[str, Model], *, delay_s: float = 0.0) -> Iterator[Server]:
    """Serve the models, and `judge`, until the block ends."""

    def handle(request: Received) -> Answer:
        is_judge = request.json["model"] == "judge"
        answer = _judge_of(request) if is_judge else _model_of(request, models)
        return replace(answer, delay_s=delay_s)

    with serving(handle) as server:
        yield server


class Asked(Place):
    """The workspace of `verifying`, with questions about some of its documents."""

    def __init__(
        self, root: Path, url: str, *, new: str = "second", questions: int = 80, **more: str
    ) -> None:
        self.answers = more.get("answers", ANSWERS)
        super().__init__(root, new, "")
        self.configure(new, self.answers)
        self.lay_models(url)
        self.ask(questions)

    def lay_models(self, url: str, **fields: Any) -> None:
        """Write the models and the judges."""
        entry = {"provider": "openai-compatible", "base_url": f"{url}/v1", "price": {"input": 1, "output": 1}}
        entries = {name: {**entry, "model": name, **fields} for name in ("old-model", "new-model", "judge")}
        judge = {"model": "judge", "pass": "agrees"}
        lay(
            self.root,
            {
                "config/models.yml": json.dumps({"models": entries}),
                "judges/faithful.yml": json.dumps(
                    {"judge": "faithful", **judge, "criteria": {"agrees": {"ask": "Is it from the texts?"}}}
                ),
                "judges/found.yml": json.dumps(
                    {"judge": "found", **judge, "criteria": {"agrees": {"ask": "IS IT FOUND in the texts?"}}}
                ),
            },
        )

    def ask(self, number: int) -> None:
        """Write so many questions, spread over the slices, and the suite."""
        rows = list(details())
        chosen = [rows[place * len(rows) // number] for place in range(number)]
        cases = [
            {
                "id": f"q-{one}",
                "input": {"question": self.query(name, one, text)["text"]},
                "expected": text.split()[2],
                "tags": [name],
            }
            for name, one, text in chosen
        ]
        lay(
            self.root,
            {
                "rag/docs_qa.yml": SUITE,
                "rag/questions.jsonl": "".join(json.dumps(case) + "\n" for case in cases),
            },
        )

    def summarise_new(self) -> None:
        """Let the texts of the new index be summaries, found as before."""
        import toys

        fingerprint = Fingerprint(provider="python", model="toys:second", dimensions=WIDTH)
        rows = list(details())
        vectors = toys.second([text for _n, _i, text in rows])
        with closing(SqliteIndex("new", self.root / "new.db")) as index:
            store(index, fingerprint, [(n, i, f"summary {text}") for n, i, text in rows], vectors)

    def serve_embedding(self, url: str) -> None:
        """Let the embedding of the new index be that of a service."""
        import toys

        models = json.loads((self.root / "config" / "models.yml").read_text())
        models["models"]["embedder"] = {
            "provider": "openai-compatible",
            "base_url": f"{url}/v1",
            "model": "v2",
            "price": {"input": 1, "output": 0},
        }
        lay(self.root, {"config/models.yml": json.dumps(models)})
        path = self.root / "config" / "index.yml"
        path.write_text(path.read_text().replace('call: "toys:second"', "model: embedder"))
        fingerprint = Fingerprint(provider="openai-compatible", model="v2", dimensions=WIDTH)
        rows = list(details())
        (self.root / "new.db").unlink()
        with closing(SqliteIndex("new", self.root / "new.db")) as index:
            store(index, fingerprint, rows, toys.second([text for _n, _i, text in rows]))


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True)
    with answering({"old-model": careful, "new-model": careful}) as serving_all:
        keys = "  faithfulness: faithful\n  qrels: qrels.txt\n"
        Asked(folder, serving_all.url, new="blind", questions=160, answers=ANSWERS + keys).close()
        sys.stdout.write(f"models at {serving_all.url} until Ctrl-C\n")
        sys.stdout.flush()
        with suppress(KeyboardInterrupt):
            threading.Event().wait()
