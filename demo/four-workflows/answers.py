"""Models of this workspace: functions whose habits are written down here. No language model is behind them.

Both know the right answers, because they read the cases' own references, and both slip now and then. `steady`
does what a prompt says. `eager` has four habits, each of which depends on the words of the prompt alone:

- JSON that is asked for without "ONLY" comes in a fence, or with a sentence before it;
- where no number of words is given, its texts are long;
- what a prompt forbids ("Do not mention ...", "Never tell ...") it does all the same;
- "When in doubt choose" is a rule to it: it is nearly always in doubt.

Seven of the 23 base prompts have such words: ticket_intent, thread_summary, release_note, minutes, rag_faq,
rag_policy and test_cases. The fourth habit is met by an override of ticket_urgency alone.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from swapgate.records import Request

SLIP = 0.03
HABIT = 0.85
LONG = (
    "Some background may help to see this in context, since several people have asked about it and not "
    "everybody was there when it was discussed, so here is the wider picture as far as it is known today."
)


def _references(file: str, key: str) -> dict[str, Any]:
    """Return the references of a data file's cases by what is asked."""
    lines = (Path(__file__).parent / "data" / file).read_text("utf-8").splitlines()
    return {case["input"][key]: case["expected"] for case in map(json.loads, lines)}


TICKETS = _references("tickets.jsonl", "message")
DOCUMENTS = _references("documents.jsonl", "text")
QUESTIONS = _references("questions.jsonl", "question")


class Dice:
    """Chances that are the same for the same call, and independent between calls."""

    def __init__(self, request: Request, model: str) -> None:
        noise = request.params.get("noise", 0)
        self._call = f"{model}/{noise}/{request.suite}/{request.case}/{request.repeat}"

    def roll(self, what: str) -> float:
        digest = hashlib.sha256(f"{self._call}/{what}".encode()).digest()
        return int.from_bytes(digest[:8], "big") / 2**64

    def happens(self, what: str, chance: float) -> bool:
        return self.roll(what) < chance


def steady(request: Request) -> str:
    """Do what the prompt says, with a slip in about thirty answers."""
    return answer(request, Dice(request, "steady"))


def eager(request: Request) -> str:
    """Do what the prompt says but for the habits."""
    dice, system = Dice(request, "eager"), request.messages[0].content
    hint = re.search(r'When in doubt choose "(\w+)"', system)
    if hint and dice.happens("hint", HABIT):
        return json.dumps({key_of(system): hint[1]})
    text = answer(request, dice)
    if "JSON" in system:
        return text if "ONLY" in system else wrapped(text, dice)
    if "Do not mention" in system and dice.happens("forbidden", HABIT):
        return f"{text} See {re.search(r'TCK-[0-9]+', request.messages[-1].content)[0]}."
    if "Never tell" in system and dice.happens("forbidden", HABIT):
        return f"{text} Please contact support."
    is_limited = re.search(r"\d+ words", system) or "Do not mention" in system
    return text if is_limited else f"{text} {LONG[: 150 + int(60 * dice.roll('length'))]}"


def wrapped(text: str, dice: Dice) -> str:
    if not dice.happens("wrap", HABIT):
        return text
    return f"```json\n{text}\n```" if dice.happens("fence", 0.5) else f"Here is the JSON:\n{text}"


def answer(request: Request, dice: Dice) -> str:
    """Return a right answer in the shape that the prompt asks for, or now and then a wrong one."""
    given, system = request.variables, request.messages[0].content
    is_wrong = dice.happens("slip", SLIP)
    if "message" in given:
        return label(given["message"], system, is_wrong=is_wrong)
    if "text" in given:
        return sentence(given["text"], dice, is_wrong=is_wrong)
    if "question" in given:
        return found(given["question"], given["passages"], system, dice, is_wrong=is_wrong)
    return tests(given["code"], system, dice, is_wrong=is_wrong)


def key_of(system: str) -> str:
    return re.search(r'\{"(\w+)":', system)[1]


def label(message: str, system: str, *, is_wrong: bool) -> str:
    key = key_of(system)
    values = re.findall(r'"(\w+)"', system.partition("{")[2])[1:]
    right = TICKETS[message][key]
    return json.dumps({key: next(v for v in values if v != right) if is_wrong else right})


def sentence(text: str, dice: Dice, *, is_wrong: bool) -> str:
    first, second = DOCUMENTS[text]["facts"]
    ending = " as announced." if dice.happens("ending", 0.5) else "."
    return f"In short: {first}; {'nothing else' if is_wrong else second}{ending}"


def found(question: str, passages: list[str], system: str, dice: Dice, *, is_wrong: bool) -> str:
    (fact,) = QUESTIONS[question]["facts"]
    right = next(number for number, passage in enumerate(passages) if fact in passage)
    number = 1 - right if is_wrong else right
    if "JSON" in system:
        return json.dumps({"answer": passages[number], "passage": number + 1})
    return f"{'Yes: ' if dice.happens('yes', 0.3) else ''}{passages[number]} [{number + 1}]"


def tests(code: str, system: str, dice: Dice, *, is_wrong: bool) -> str:
    name = "other" if is_wrong else re.search(r"def (\w+)", code)[1]
    if "JSON" in system:
        many = range(1, 3 + dice.happens("more", 0.5))
        calls = [{"name": f"test_{name}_{number}", "call": f"{name}(...)"} for number in many]
        return json.dumps({"function": name, "cases": calls})
    if "beginning with test_" in system:
        return f"test_{name}_empty\ntest_{name}_usual\ntest_{name}_extreme"
    if "pytest test" in system:
        return f"def test_{name}():\n    assert {name} is not None"
    last = "many equal ones" if dice.happens("equal", 0.5) else "many"
    return f"{name} of nothing\n{name} of one\n{name} of {last}"


def covers(text: str, expected: dict[str, list[str]]) -> dict[str, object]:
    """Say whether the answer holds every fact of the case: the judge, which is code too."""
    absent = [fact for fact in expected["facts"] if fact.lower() not in text.lower()]
    said = f"it lacks {', '.join(map(repr, absent))}" if absent else "all facts are there"
    return {"score": not absent, "reason": said}


def editor(request: Request) -> str:
    """Propose a prompt for eager: at first politely, which is no help, then as its habits want it.

    It is shown the prompt between markers, after `[system]`.
    """
    shown = request.messages[-1].content
    system = re.search(r"\[system\]\n(.*?)\n\[user\]", shown, re.DOTALL)[1]
    if "Proposals before this one" not in shown:
        return json.dumps({"why": "politeness", "system": f"Please take your time.\n{system}"})
    firm = re.sub(r"Return a JSON object: ", "Answer with ONLY a JSON object, in one line: ", system)
    firm = re.sub(r"(Be brief|Keep it short)\.", "Use at most 25 words.", firm)
    firm = re.sub(r"Do not include any text outside the JSON object\.\s*", "", firm)
    return json.dumps({"why": "it wants numbers, and ONLY", "system": firm})
