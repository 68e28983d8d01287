"""Starting a cluster where the machine is too busy for Ray's own patience; a Ray of our own stands for it."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from swapgate.engine.ray_cluster import connected
from swapgate.errors import UsageError


class SlowRay(SimpleNamespace):
    """Starts or joins a cluster at the given attempt."""

    def __init__(self, starts_at: int) -> None:
        worker = SimpleNamespace(print_to_stdstream=None)
        super().__init__(attempts=0, starts_at=starts_at, _private=SimpleNamespace(worker=worker))

    def is_initialized(self) -> bool:
        return False

    def init(self, **_options: object) -> None:
        self.attempts += 1
        if self.attempts < self.starts_at:
            raise Exception("The current node timed out during startup. This could happen.")

    def available_resources(self) -> dict[str, float]:
        return {"CPU": 2.0}

    def shutdown(self) -> None:
        pass


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr("swapgate.engine.ray_cluster.require_ray", lambda: None)
    return monkeypatch


def test_a_cluster_of_this_machine_is_started_twice(installed: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ray = SlowRay(2)
    installed.setitem(sys.modules, "ray", ray)  # type: ignore[arg-type]
    with connected("local", root=tmp_path) as cluster:
        assert (cluster.cpus, ray.attempts) == (2, 2)


@pytest.mark.parametrize(("address", "attempts"), [("local", 2), ("10.0.0.1:6379", 1)])
def test_one_that_does_not_come_is_told_with_the_remedy(
    installed: pytest.MonkeyPatch, tmp_path: Path, address: str, attempts: int
) -> None:
    ray = SlowRay(9)
    installed.setitem(sys.modules, "ray", ray)  # type: ignore[arg-type]
    with (
        pytest.raises(UsageError, match=f"--ray={address}: The current node timed out"),
        connected(address, root=tmp_path),
    ):
        pass
    assert ray.attempts == attempts
