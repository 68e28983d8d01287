"""When a session looks for garbage: seldom, since next to nothing that a trial leaves is in a cycle.

Python looks after every seven hundred new objects, each time through more of what is there. Over a run that
is a tenth of its time, and an eighth of the time before the first call.
"""

from __future__ import annotations

import gc

import pytest

from swapgate.driving.one_heap import share_one_heap
from swapgate.plugin import SESSION

# So many more objects than at the last look: some ten megabytes, with the texts that hang on them.
_SELDOM = (10_000, 20, 50)


class Garbage:
    """Puts collections off until the trials begin, and makes them rare from there on.

    A session of other tests too gets Python's own ways back with its first test: pytest looks for what they
    leave open. One that runs within another process is not given this plugin at all.
    """

    def __init__(self) -> None:
        self._usual = gc.get_threshold()
        gc.disable()

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Have later collections pass over cases and items, which stay to the end; then share one heap."""
        from swapgate.driving.collect import CaseItem

        if all(isinstance(item, CaseItem) for item in session.items):
            if _has_dropped(session):
                gc.collect()
            gc.freeze()
            gc.set_threshold(*_SELDOM)
            share_one_heap()
        gc.enable()

    @pytest.hookimpl(tryfirst=True)
    def pytest_unconfigure(self) -> None:
        """Spare the interpreter's last collection its way through all that is about to go anyway."""
        if gc.get_threshold() == _SELDOM:
            gc.freeze()
        gc.set_threshold(*self._usual)
        gc.enable()


def _has_dropped(session: pytest.Session) -> bool:
    """Whether pytest has made trials and left them out without a word, as it does for a node id.

    Each of them is in a cycle, with its case.
    """
    ours = session.config.stash.get(SESSION, None)
    return ours is not None and len(session.items) + ours.deselected < ours.wanted
