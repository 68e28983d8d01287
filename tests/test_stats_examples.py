"""The examples in the statistics' docstrings run and say what they promise."""

from __future__ import annotations

import doctest
import importlib

import pytest

MODULES = ["clusters", "interval", "paired", "power", "proportion"]


@pytest.mark.parametrize("name", MODULES)
def test_every_example_in_the_docstrings_holds(name):
    module = importlib.import_module(f"swapgate.stats.{name}")
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0


@pytest.mark.parametrize("name", MODULES)
def test_every_public_function_has_an_example_and_what_it_returns(name):
    module = importlib.import_module(f"swapgate.stats.{name}")
    public = [
        f
        for n, f in vars(module).items()
        if not n.startswith("_") and getattr(f, "__module__", "") == module.__name__
    ]
    functions = [f for f in public if not isinstance(f, type) and f.__name__ != "few_clusters_note"]
    assert functions
    for function in functions:
        assert "Returns\n" in function.__doc__, function.__name__
        assert ">>>" in function.__doc__, function.__name__
