"""The examples in the statistics' docstrings run and say what they promise."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import subprocess
import sys

import pytest

import swapgate.stats

HELPERS = {"few_clusters_note", "as_method", "refusal", "missing_class", "require_power"}
MODULES = sorted(
    module.name for module in pkgutil.iter_modules(swapgate.stats.__path__) if not module.name.startswith("_")
)


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
    functions = [f for f in public if not isinstance(f, type) and f.__name__ not in HELPERS]
    assert public
    for function in functions:
        assert "Returns\n" in function.__doc__, function.__name__
        assert ">>>" in function.__doc__, function.__name__


def test_every_public_name_is_there_and_no_module_hides_one():
    for name in swapgate.stats.__all__:
        assert getattr(swapgate.stats, name).__name__ == name
    assert not set(MODULES) & set(swapgate.stats.__all__)
    assert sorted(swapgate.stats.__all__) == swapgate.stats.__all__
    assert set(swapgate.stats.__all__) <= set(dir(swapgate.stats))


def test_an_unknown_name_is_named():
    with pytest.raises(AttributeError, match="no attribute 'wilson'"):
        swapgate.stats.wilson  # noqa: B018 - the access is what is tested


def test_the_package_loads_nothing_before_it_is_asked():
    code = (
        "import sys, swapgate.stats; print([m for m in sys.modules if m.split('.')[0] in ('numpy', 'scipy')])"
    )
    path = [entry for entry in sys.path if entry]
    run = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {path!r}\n{code}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert run.stdout.strip() == "[]"
