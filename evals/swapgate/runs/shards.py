"""Shards: one selection of cases shared out among independent jobs, the same way in each of them."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Mapping, Sequence
from hashlib import sha256

from swapgate.engine.workspace import Job
from swapgate.records import Shard, content_hash
from swapgate.runs.parts import Part, job_key


def shard_part(jobs: Sequence[Job], *, number: int, count: int) -> Part:
    """Return the K-th of N shares of the selected trials; clusters, and so cases, stay whole."""
    clusters = [job.cluster for job in jobs]
    shares = share_out(Counter(clusters), count)
    sizes = Counter(shares[cluster] for cluster in clusters)
    shard = Shard(
        number=number,
        count=count,
        plan=_plan_hash(jobs),
        sizes=tuple(sizes[place] for place in range(count)),
    )
    own = [job for job, cluster in zip(jobs, clusters, strict=True) if shares[cluster] == number - 1]
    return Part(whole=jobs, jobs=own, shard=shard)


def share_out(sizes: Mapping[str, int], count: int) -> dict[str, int]:
    """Return the share, counted from 0, of each cluster of so many trials.

    The largest goes to the share that is smallest so far, then the next: no share is larger than 4/3 of the
    best possible largest (Graham, 1969, https://doi.org/10.1137/0117039). Those of one size come in the order
    of their hashes, so that neither their names nor their places decide who shares a machine.
    """
    shares: dict[str, int] = {}
    filled = [(0, place) for place in range(count)]
    for cluster in sorted(sizes, key=lambda name: (-sizes[name], sha256(name.encode()).digest())):
        size, place = heapq.heappop(filled)
        shares[cluster] = place
        heapq.heappush(filled, (size + sizes[cluster], place))
    return shares


def _plan_hash(jobs: Sequence[Job]) -> str:
    """Return the hash of a selection: which trials of which cases, in whatever order."""
    return content_hash([[*row] for row in sorted((*job_key(job), job.case.content_hash) for job in jobs)])
