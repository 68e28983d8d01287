"""Finds what a user's `package.module:name` means."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

from swapgate.checks.options import OptionError
from swapgate.errors import nearest


def load_object(reference: str, *, root: Path, key: str) -> Any:
    """Return the object that `package.module:name` names; modules are also found from the workspace root.

    Raises OptionError at the option `key`, also where the module itself raises while it is imported.
    """
    module_name, colon, name = reference.partition(":")
    if not (module_name and colon and name):
        raise OptionError(f"wanted 'package.module:name', got {reference!r}", key)
    folder = str(root.resolve())
    if folder not in sys.path:
        # Stays, and last: the user's code may import more of the workspace when it runs.
        sys.path.append(folder)
    target = _imported(module_name, key, folder)
    for part in name.split("."):
        if not hasattr(target, part):
            raise OptionError(f"{module_name!r} has no {name!r}.{nearest(part, dir(target))}", key)
        target = getattr(target, part)
    return target


def _imported(module_name: str, key: str, folder: str) -> Any:
    importlib.invalidate_caches()
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as exc:
        if exc.name and (module_name == exc.name or module_name.startswith(f"{exc.name}.")):
            raise OptionError(
                f"no module {exc.name!r} in {folder} or among the installed packages", key
            ) from exc
        raise OptionError(f"importing {module_name!r} failed: {exc}", key) from exc
    except (Exception, SystemExit) as exc:
        raise OptionError(f"importing {module_name!r} failed: {type(exc).__name__}: {exc}", key) from exc
