"""The new index's share of the queries, stage by stage: looked at, decided on, changed, or taken back."""

from __future__ import annotations

from swapgate.retrieval.ramping.decide import Decision, decide
from swapgate.retrieval.ramping.looks import RAMP, Look
from swapgate.retrieval.ramping.step import Ramper, Step

__all__ = ["RAMP", "Decision", "Look", "Ramper", "Step", "decide"]
