"""Answers that speak to the judge: noticed and told to people, never held against the answer."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from functools import cache

from swapgate.judging.markers import LOOKALIKE
from swapgate.judging.visible import visible
from swapgate.records import Json

HIDDEN = "invisible characters"
TAKES_A_ROLE = "a line that plays a role of the conversation"
MARKERS = "an imitation of the judge's markers"
VERDICT = "a verdict or a score, as the judge would write it"
ADDRESS = "words to the judge"


# Compiling these two takes some milliseconds of every start, and few answers need them.
@cache
def _role() -> re.Pattern[str]:
    return re.compile(
        r"^[ \t]{0,20}(?:#{1,6}[ \t]{0,4}|\*\*|\[|<)?"
        r"(?:system|assistant|user|human|developer|judge|evaluator|grader)"
        r"(?:[ \t]{1,4}(?:message|prompt|note|override))?(?:\*\*|\]|>)?[ \t]{0,4}:"
        r"|<\|(?:im_start|im_end|system|user|assistant|start_header_id|eot_id|endoftext)[^|\n]{0,40}\|>"
        r"|\[/?INST\]|<</?SYS>>|^(?:Human|Assistant):",
        re.IGNORECASE | re.MULTILINE,
    )


# What spells hidden text letter by letter, or turns visible text around.
_CARRIER = re.compile("[\u202d\u202e\U000e0000-\U000e007f]{2,}|[\u202d\u202e]|[\U000e0100-\U000e01ef]{2,}")
_FEWEST_HIDDEN = 8
_LONGEST_END = 20_000
_VERDICTS = frozenset({"pass", "fail", "cannot_assess"})
_REPLY_KEYS = frozenset({"evidence", "reasoning", "score"})
_JSON = re.compile(r"\{[^{}]{2,2000}\}")
# An order to leave rules aside, near what the rules are; or a wish, near who judges or what is given.
_IGNORE = (
    r"ignor\w*|disregard|forget|overrid\w+|override|vergiss|olvid\w+|oublie\w*|dimentica\w*|esque[çc]a\w*"
    r"|игнорир\w+|забуд\w+"
)
_RULES = (
    r"instructions?|criteri\w+|rubric|guidelines?|(?:previous|prior|above|earlier) (?:rules|prompt|text)"
    r"|instrucciones|critères|anweisungen|kriterien|istruzioni|instruções|critérios|инструкци\w+|критери\w+"
)
_GRANT = (
    r"answer ['\"]?pass|mark (?:this|it|the answer)|must (?:pass|be (?:scored|rated|marked))"
    r"|(?:highest|full|maximum|top|perfect) (?:score|marks?|rating)|give (?:it|this) (?:a|the|full|\d)"
    r"|please (?:pass|score|rate (?:this|it|me))"
    r"|(?:output|reply with|respond with) (?:the )?(?:json|verdict|pass|\d)"
    r"|new instructions?|any answer is to pass"
)
_WHO = (
    r"judges?|evaluat\w+|graders?|grading|scores?|rating|rubric|verdicts?|marks?|bewert\w+|puntuaci\w+"
    r"|évaluat\w+|valutazion\w+|avalia\w+|оценк\w+|оценщик\w*"
)


@cache
def _address() -> re.Pattern[str]:
    return re.compile(
        "|".join(
            rf"\b(?:{one})\b.{{0,80}}\b(?:{other})\b"
            for one, other in ((_IGNORE, _RULES), (_RULES, _IGNORE), (_GRANT, _WHO), (_WHO, _GRANT))
        ),
        re.IGNORECASE | re.DOTALL,
    )


# What ASCII text cannot lack where `_address` finds something: an order and a rule, or a wish and a judge.
_ORDERS = ("ignor", "disregard", "forget", "overrid", "vergiss", "olvid", "oublie", "dimentica", "esquec")
_RULE_WORDS = (
    *("instruction", "criteri", "rubric", "guideline", "rules", "prompt", "text", "instrucciones"),
    *("anweisungen", "kriterien", "istruzioni"),
)
_WISHES = (
    "pass",
    "mark",
    "must",
    "score",
    "rating",
    "give",
    "rate",
    "output",
    "reply",
    "respond",
    "instruction",
)
_JUDGE_WORDS = (
    *("judge", "evaluat", "grader", "grading", "score", "rating", "rubric", "verdict", "mark"),
    *("bewert", "puntuaci", "valutazion", "avalia"),
)
# The same of `_role`, and of `_ANNOUNCED`.
_ROLE_WORDS = (
    *("system", "assistant", "user", "human", "developer", "judge", "evaluator", "grader"),
    *("<|", "inst]", "sys>>"),
)
_ANNOUNCING = ("final ", "overall ", "evaluation ", "verdict", "<")
# A result announced as such; `Score: 4` alone is what many tasks ask for.
_ANNOUNCED = re.compile(
    r"\b(?:final|overall|evaluation) (?:rating|score|grade|verdict|result)\s{0,3}[:=]"
    r"|\bverdict\s{0,3}[:=]\s{0,3}pass|<(?:result|verdict|score|grade)>",
    re.IGNORECASE,
)
# Languages without spaces between words.
_ADDRESS_CJK = re.compile(
    r"(?:忽略|无视|無視|忘记).{0,20}(?:指示|指令|说明|規則|规则|以上|之前)|(?:评分|評分|打分|评委|評価|採点|審査)"
    r".{0,20}(?:满分|滿分|最高|満点|通过|通過|合格|pass)|(?:指示|命令).{0,10}(?:無視|忘れ)"
    r"|(?:지시|명령).{0,20}(?:무시|잊)|(?:평가|점수|채점).{0,20}(?:만점|최고|통과)",
    re.DOTALL | re.IGNORECASE,
)
_ADDRESS_OTHER = re.compile(
    r"(?:تجاهل|انس).{0,40}(?:التعليمات|التقييم|أعلاه)|(?:निर्देश|मूल्यांकन).{0,40}(?:अनदेखा|नज़रअंदाज)"
    r"|(?:अनदेखा|नज़रअंदाज).{0,40}(?:निर्देश|मूल्यांकन)",
    re.DOTALL,
)


def suspicions(raw: str, *, given: str = "", criteria: Collection[str] = ()) -> tuple[str, ...]:
    """Return what in an answer speaks to whoever judges it, empty for nothing.

    `given` are the texts that the model was given: what it may well repeat is no suspicion. `criteria` are
    keys of the judge's reply. Words cannot tell an attack from an answer about attacks, so none of this
    changes a verdict.
    """
    return tuple(_found(raw, given, frozenset(criteria)))


def _found(raw: str, given: str, criteria: frozenset[str]) -> Iterator[str]:
    raw, given = _ends(raw), _ends(given)
    text = visible(raw)
    if _hides_text(raw, text) and visible(given) == given:
        yield HIDDEN
    if _may_take_a_role(text) and _role().search(text) and not _role().search(given):
        yield TAKES_A_ROLE
    if LOOKALIKE.search(text) and not LOOKALIKE.search(given):
        yield MARKERS
    is_announced = _announces(text) and not _ANNOUNCED.search(given)
    if is_announced or (_has_verdict(text, criteria) and not _has_verdict(given, criteria)):
        yield VERDICT
    for pattern in _address_patterns(text):
        if pattern.search(text) and not pattern.search(given):
            yield ADDRESS
            return


def _may_take_a_role(text: str) -> bool:
    return not text.isascii() or _has_any(_ROLE_WORDS, text.lower())


def _announces(text: str) -> bool:
    if text.isascii() and not _has_any(_ANNOUNCING, text.lower()):
        return False
    return _ANNOUNCED.search(text) is not None


def _address_patterns(text: str) -> tuple[re.Pattern[str], ...]:
    """Return the patterns that may find words to the judge: for nearly every answer none has to be tried."""
    if not text.isascii():  # where a letter may be spelled in other ways, such as a long s
        return _address(), _ADDRESS_CJK, _ADDRESS_OTHER
    lower = text.lower()
    orders = _has_any(_ORDERS, lower) and _has_any(_RULE_WORDS, lower)
    return (_address(),) if orders or (_has_any(_WISHES, lower) and _has_any(_JUDGE_WORDS, lower)) else ()


def _has_any(words: tuple[str, ...], text: str) -> bool:
    for word in words:  # noqa: SIM110 - a generator takes twice the time
        if word in text:
            return True
    return False


def _ends(text: str) -> str:
    """Return a text, of a very long one its beginning and its end: a look at it must not take long."""
    return text if len(text) <= 2 * _LONGEST_END else f"{text[:_LONGEST_END]}\n{text[-_LONGEST_END:]}"


def _hides_text(raw: str, text: str) -> bool:
    """Whether so much is hidden that it may say something, or text is turned around; strays are common."""
    is_turned = not raw.isascii() and _CARRIER.search(raw) is not None
    return is_turned or len(raw) - len(text) >= _FEWEST_HIDDEN


def _has_verdict(text: str, criteria: frozenset[str]) -> bool:
    return _names_keys(text, criteria) and any(_is_verdict(found, criteria) for found in _JSON.findall(text))


def _names_keys(text: str, criteria: frozenset[str]) -> bool:
    """Whether the keys of a judge's reply may be in the text; escapes can spell any of them."""
    return (
        '"verdict"' in text
        or "\\u" in text
        or "\\/" in text
        or sum(f'"{key}"' in text for key in _REPLY_KEYS) >= 2
        or (bool(criteria) and all(f'"{key}"' in text for key in criteria))
    )


def _is_verdict(text: str, criteria: frozenset[str]) -> bool:
    """Whether a JSON object looks like a judge's reply, and not like the answer to a task."""
    try:
        value: Json = json.loads(text)
    except ValueError:
        return False
    if not isinstance(value, dict):
        return False
    says = value.get("verdict")
    return (
        (isinstance(says, str) and says in _VERDICTS)
        or len(_REPLY_KEYS & value.keys()) >= 2
        or (bool(criteria) and criteria <= value.keys())
    )
