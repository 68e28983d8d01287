"""Starting a cluster where the machine is too busy for Ray's own patience; a Ray of our own stands for it."""

from __future__ import annotations

import socket
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


def test_one_that_does_not_start_is_told_with_the_remedy(
    installed: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ray = SlowRay(9)
    installed.setitem(sys.modules, "ray", ray)  # type: ignore[arg-type]
    with (
        pytest.raises(UsageError, match=r"--ray=local: The current node timed out.*is it busy"),
        connected("local", root=tmp_path),
    ):
        pass
    assert ray.attempts == 2


def test_one_that_cannot_be_joined_is_told_at_once(installed: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Ray takes minutes to find out that nobody listens at an address, and is not asked."""
    ray = SlowRay(9)
    installed.setitem(sys.modules, "ray", ray)  # type: ignore[arg-type]
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with (
            pytest.raises(UsageError, match=r"The current node.*same versions"),
            connected(address, root=tmp_path),
        ):
            pass
    for nobody, why in (
        (address, "connection refused"),
        ("no.such.host.invalid:6379", ""),
        ("127.0.0.1:99999", ""),
    ):
        with (
            pytest.raises(UsageError, match=f"--ray={nobody}: {why}.*Is a cluster there"),
            connected(nobody, root=tmp_path),
        ):
            pass
    assert ray.attempts == 1
