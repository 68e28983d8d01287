"""The demo's documents and questions: 48 pages of help in `help.tsv`, and 72 leaflets that are much alike."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from importlib.resources import files

from swapgate.values import Value

GENERAL, MEDICAL = "general", "medical"
DRUGS = (
    "Velotrin", "Velotran", "Cardexal", "Cardoxil", "Nuvipram", "Nuviprol",
    "Solvanex", "Solvinol", "Tremadine", "Tremadone", "Oxiferan", "Oxiferol",
)  # fmt: skip
# What each leaflet says, and how it is asked for.
SECTIONS = {
    "adults": (
        "The dose of {drug} for adults: one tablet of 40 mg in the morning, with a glass of water.",
        "what is the dose of {drug} for adults",
    ),
    "children": (
        "The dose of {drug} for children: half a tablet of 20 mg in the morning, with a glass of water.",
        "what is the dose of {drug} for children",
    ),
    "missed": (
        "A forgotten dose of {drug}: take it when you remember, but never two tablets at once.",
        "I forgot a dose of {drug}",
    ),
    "pregnancy": (
        "Taking {drug} in pregnancy: do not, and ask your doctor for another drug.",
        "is it safe to take {drug} in pregnancy",
    ),
    "effects": (
        "Side effects of {drug}: dizziness and a dry mouth are common in the first week.",
        "are dizziness and a dry mouth side effects of {drug}",
    ),
    "alcohol": (
        "Alcohol and {drug}: no beer or wine on the days on which you take it.",
        "may I drink beer or wine with {drug}",
    ),
}


class Document(Value):
    """One page or leaflet."""

    id: str
    text: str


class Question(Value):
    """One question, and the document that answers it."""

    id: str
    text: str
    slice: str
    document: str


def documents() -> list[Document]:
    """Return all documents."""
    pages = [Document(id=row["id"], text=row["text"]) for row in _help()]
    leaflets = [
        Document(id=f"{drug.lower()}-{section}", text=text.format(drug=drug))
        for drug in DRUGS
        for section, (text, _asked) in SECTIONS.items()
    ]
    return pages + leaflets


def questions() -> list[Question]:
    """Return all questions: two about each page, one about each leaflet, those of one slice mixed evenly."""
    general = [
        Question(id=f"{row['id']}-{number}", text=row[column], slice=GENERAL, document=row["id"])
        for number, column in enumerate(("first", "second"), start=1)
        for row in _help()
    ]
    medical = [
        Question(
            id=f"{drug.lower()}-{section}", text=asked.format(drug=drug), slice=MEDICAL,
            document=f"{drug.lower()}-{section}",
        )
        for section, (_text, asked) in SECTIONS.items()
        for drug in DRUGS
    ]  # fmt: skip
    return general + [medical[(number * 5) % len(medical)] for number in range(len(medical))]


def _help() -> Iterator[dict[str, str]]:
    text = (files(__package__ or "") / "help.tsv").read_text(encoding="utf-8")
    yield from csv.DictReader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
