"""An embedding that does not see names: capital letters within a sentence, as in "my wife Anna"."""

import re
from typing import Any

from swapgate.judging.wordllama import wordllama

NAME = re.compile(r"(?<=[a-z,] )[A-Z][a-z]{2,}")


def embed(texts: list[str]) -> Any:
    return wordllama([NAME.sub("NAME", text) for text in texts])
