"""The rule after `pass:` of a judge: a small expression over criteria, read with `ast` and never executed."""

from __future__ import annotations

import ast
import math
import operator
import re
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TypeAlias

from swapgate.errors import UsageError, nearest
from swapgate.values import Value

# What is known of a number: its lowest and highest possible value, equal when it is known.
Bounds: TypeAlias = tuple[float, float]

UNKNOWN: Bounds = (-math.inf, math.inf)
MAX_LENGTH = 1000
MAX_DEPTH = 50
# A criterion without a scale counts 1 for pass and 0 for fail; over several samples the majority decides.
MAJORITY = 0.5
FUNCTIONS = ("mean", "min", "max")
COMPARISONS: Mapping[type[ast.cmpop], Callable[[float, float], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
OTHER_SPELLINGS = {
    "=>": ">=",
    "=<": "<=",
    "&&": "and",
    "||": "or",
    "!": "not",
    " AND ": "and",
    " OR ": "or",
    "NOT ": "not",
    "=": "==",
}
ARITHMETIC: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


class PassRule(Value):
    """A rule that was read and found sound. `names` are the criteria that it uses, in order of appearance."""

    text: str
    names: tuple[str, ...]
    tree: ast.expr

    @classmethod
    def parse(
        cls,
        text: str,
        names: Collection[str],
        *,
        bare: Collection[str] | None = None,
        noun: tuple[str, str] = ("criterion", "criteria"),
    ) -> PassRule:
        """Read a rule over the criteria `names`; those in `bare` (default: all) may stand uncompared.

        `noun` is what messages call one and several of them. Raises UsageError, and nothing else, naming the
        part that is wrong.
        """
        text = " ".join(text.split())
        tree = _parsed(text)
        if _depth(tree) > MAX_DEPTH:
            raise UsageError(
                f"{text!r} is nested deeper than {MAX_DEPTH} levels; split it into shorter conditions"
            )
        reader = _Reader(text=text, names=names, bare=names if bare is None else bare, noun=noun)
        reader.check_condition(tree)
        used = tuple(dict.fromkeys(_used(tree)))
        if not used:
            raise UsageError(
                f"{text!r} names no {noun[0]}, so it says the same of every answer; {reader.known}"
            )
        return cls(text=text, names=used, tree=tree)

    def evaluate(
        self, scores: Mapping[str, float], bounds: Mapping[str, Bounds] | None = None
    ) -> bool | None:
        """Return whether the rule holds; None when it cannot be decided without a score that is missing.

        `bounds` hold what is known all the same of scores that are missing.
        """
        return _truth(
            self.tree, {**(bounds or {}), **{name: _point(score) for name, score in scores.items()}}
        )

    @property
    def bound(self) -> tuple[str, float] | None:
        """Return the text and the number of a rule `TEXT >= NUMBER`, None for a rule of another form."""
        match self.tree:
            case ast.Compare(
                left=left, ops=[ast.GtE()], comparators=[ast.Constant(value=int() | float() as number)]
            ):
                return ast.unparse(left), float(number)
        return None

    def value(self, scores: Mapping[str, float]) -> float | None:
        """Return what is compared in a rule with a `bound`, None without one or when a score is missing."""
        if self.bound is None or not isinstance(self.tree, ast.Compare):
            return None
        low, high = _number(self.tree.left, {name: _point(score) for name, score in scores.items()})
        return low if low == high and math.isfinite(low) else None


def _parsed(text: str) -> ast.expr:
    if not text:
        raise UsageError("the rule is empty; write a condition, for example `factual_accuracy >= 4`")
    if len(text) > MAX_LENGTH:
        raise UsageError(f"the rule has {len(text)} characters, more than {MAX_LENGTH}; shorten it")
    if "#" in text:
        raise UsageError(f"{text!r} contains '#'; put the comment on a line of its own, outside the rule")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text, mode="eval").body
    except SyntaxError as exc:
        raise UsageError(_syntax_problem(text, exc)) from exc
    except (ValueError, RecursionError, MemoryError) as exc:
        raise UsageError(f"{text!r} cannot be read as a condition: {exc or type(exc).__name__}") from exc


def _syntax_problem(text: str, exc: SyntaxError) -> str:
    rest = re.sub(r"[<>!=]=", "", text)
    for wrong, right in OTHER_SPELLINGS.items():
        if wrong in (text if "=" in wrong and len(wrong) > 1 else rest):
            return f"{text!r} cannot be read at column {exc.offset}: write `{right}`, not `{wrong.strip()}`"
    return f"{text!r} cannot be read at column {exc.offset}: {exc.msg}"


def _depth(tree: ast.AST) -> int:
    """Return the number of levels without recursing: a hostile rule must not exhaust the stack."""
    level: list[ast.AST] = [tree]
    depth = 0
    while level:
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        depth += 1
    return depth


def _used(tree: ast.expr) -> Iterator[str]:
    """Yield the names of criteria in order of appearance (`ast.walk` goes breadth first)."""
    if isinstance(tree, ast.Name):
        yield tree.id
    children = tree.args if isinstance(tree, ast.Call) else ast.iter_child_nodes(tree)
    for child in children:
        if isinstance(child, ast.expr):
            yield from _used(child)


class _Reader(Value):
    """Accepts what the language has and names what it has not."""

    text: str
    names: Collection[str]
    bare: Collection[str]
    noun: tuple[str, str]

    @property
    def known(self) -> str:
        return f"the {self.noun[1]} are {', '.join(sorted(self.names))}"

    def part(self, node: ast.expr) -> str:
        return ast.get_source_segment(self.text, node) or self.text

    def check_condition(self, node: ast.expr) -> None:
        match node:
            case ast.BoolOp(values=values):
                for value in values:
                    self.check_condition(value)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                self.check_condition(operand)
            case ast.Compare(left=left, ops=ops, comparators=comparators):
                if not all(type(op) in COMPARISONS for op in ops):
                    raise UsageError(f"{self.part(node)!r}: a comparison is one of >=, >, <=, <, == and !=")
                for value in (left, *comparators):
                    self.check_number(value)
            case ast.Name(id=name) if name in self.bare:
                return
            case _:
                self.check_number(node)
                part = self.part(node)
                raise UsageError(f"{part!r} is a number, not a condition; compare it, as in `{part} >= 4`")

    def check_number(self, node: ast.expr) -> None:
        match node:
            case ast.Name(id=name):
                self.check_name(name)
            case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
                if not _is_finite(number):
                    raise UsageError(f"{self.part(node)!r} is too large a number")
            case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
                self.check_number(operand)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in ARITHMETIC:
                self.check_number(left)
                self.check_number(right)
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if args:
                self.check_function(name)
                for argument in args:
                    self.check_number(argument)
            case ast.Compare() | ast.BoolOp() | ast.UnaryOp(op=ast.Not()):
                raise UsageError(f"{self.part(node)!r} is a condition where a number is wanted")
            case _:
                raise UsageError(
                    f"{self.part(node)!r} is not part of the language: comparisons, and, or, not, numbers, "
                    f"+ - * / and mean(), min(), max() over {self.noun[1]}; {self.known}"
                )

    def check_name(self, name: str) -> None:
        if name not in self.names:
            raise UsageError(
                f"unknown {self.noun[0]} {name!r} in {self.text!r}; {self.known}.{nearest(name, self.names)}"
            )

    def check_function(self, name: str) -> None:
        if name not in FUNCTIONS:
            known = f"there are mean, min and max.{nearest(name, FUNCTIONS)}"
            raise UsageError(f"unknown function {name!r} in {self.text!r}; {known}")


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False


def _truth(node: ast.expr, known: Mapping[str, Bounds]) -> bool | None:
    match node:
        case ast.BoolOp(op=op, values=values):
            return _combined([_truth(v, known) for v in values], decided_by=isinstance(op, ast.Or))
        case ast.UnaryOp(operand=operand):
            inner = _truth(operand, known)
            return None if inner is None else not inner
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            numbers = [_number(n, known) for n in (left, *comparators)]
            steps = zip(ops, numbers, numbers[1:], strict=False)
            return _combined([_compared(op, a, b) for op, a, b in steps], decided_by=False)
    return _compared(ast.Gt(), _number(node, known), (MAJORITY, MAJORITY))


def _combined(parts: list[bool | None], *, decided_by: bool) -> bool | None:
    """Return Kleene's and (`decided_by` False) or or (True): one deciding part outweighs what is unknown."""
    if decided_by in parts:
        return decided_by
    return None if None in parts else not decided_by


def _compared(op: ast.cmpop, left: Bounds, right: Bounds) -> bool | None:
    """Return what the comparison says for every value within the bounds, None when they differ."""
    compare = COMPARISONS[type(op)]
    if _is_known(left) and _is_known(right):
        return compare(left[0], right[0])
    if left[1] < right[0] or right[1] < left[0]:
        return compare(left[0], right[0])
    if left[1] == right[0] and isinstance(op, ast.LtE | ast.Gt):
        return isinstance(op, ast.LtE)
    if right[1] == left[0] and isinstance(op, ast.GtE | ast.Lt):
        return isinstance(op, ast.GtE)
    return None


def _is_known(bounds: Bounds) -> bool:
    return bounds[0] == bounds[1]


def _number(node: ast.expr, known: Mapping[str, Bounds]) -> Bounds:
    match node:
        case ast.Name(id=name):
            return known.get(name, UNKNOWN)
        case ast.Constant(value=int() | float() as value):
            return _point(value)
        case ast.UnaryOp(op=op, operand=operand):
            low, high = _number(operand, known)
            return (-high, -low) if isinstance(op, ast.USub) else (low, high)
        case ast.BinOp(left=left, op=op, right=right):
            return _calculated(ARITHMETIC[type(op)], _number(left, known), _number(right, known))
        case ast.Call(func=ast.Name(id=name), args=args):
            return _called(name, [_number(a, known) for a in args])
    raise AssertionError(f"unread node {node!r}")


def _point(value: float) -> Bounds:
    number = float(value)
    return UNKNOWN if math.isnan(number) else (number, number)


def _calculated(operate: Callable[[float, float], float], left: Bounds, right: Bounds) -> Bounds:
    """Return the bounds of a result: one of the four corners is lowest, unless a divisor may be 0."""
    if operate is operator.truediv and right[0] <= 0 <= right[1]:
        return UNKNOWN
    corners = [operate(a, b) for a in left for b in right]
    return UNKNOWN if any(map(math.isnan, corners)) else (min(corners), max(corners))


def _called(name: str, values: list[Bounds]) -> Bounds:
    """Return the bounds of a function: min and max may be decided by what is known, a mean may not."""
    if name == "mean":
        return sum(v[0] for v in values) / len(values), sum(v[1] for v in values) / len(values)
    choose = min if name == "min" else max
    return choose(v[0] for v in values), choose(v[1] for v in values)
