"""What lives in each of Ray's worker processes: opened models, and the workspace for the user's checks."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import swapgate
from swapgate.checks import Subject
from swapgate.checks.build import UserCheckFailed
from swapgate.engine.executor import checks_in_thread, judge_in_thread
from swapgate.engine.workspace import ReadyCase, Workspace
from swapgate.errors import ErrorKind, ProviderError, SwapgateError
from swapgate.judging.code_judge import CodeJudge
from swapgate.providers import Provider
from swapgate.providers.http_client import open_http
from swapgate.providers.open import open_provider
from swapgate.records import CheckResult, Request, Response, Verdict
from swapgate.spec.models import ModelSpec
from swapgate.spec.settings import Settings
from swapgate.values import Value


class Place(Value):
    """Where a worker runs, and what it runs."""

    host: str
    pid: int
    version: str


class Failure(Value):
    """An error on its way back: what is thrown in a worker arrives as one of Ray's own."""

    message: str
    kind: ErrorKind
    status: int | None = None
    retry_after_s: float | None = None


class UndecidedCheck(Value):
    """A check of the user's that raised, on its way back; the fields of UserCheckFailed."""

    message: str
    check: str
    exception: str | None = None
    place: str | None = None
    noun: str = "check"


class Worker:
    """Answers for the models of a run and runs its users' checks; each is opened when it is first needed.

    `root` is the workspace's folder here, None for the working directory.
    """

    def __init__(self, settings: Settings, models: Mapping[str, ModelSpec], root: Path | None) -> None:
        self._settings = moved(settings, root or Path.cwd())
        self._models = models
        self._opened: dict[str, Provider] = {}

    async def place(self) -> Place:
        """Return where this is."""
        return Place(host=socket.gethostname(), pid=os.getpid(), version=swapgate.__version__)

    async def complete(self, model: str, request: Request) -> Response | Failure:
        """Return the model's response to one request; one attempt."""
        try:
            return await self._provider(model).complete(request)
        except ProviderError as exc:
            return Failure(
                message=str(exc), kind=exc.kind, status=exc.status, retry_after_s=exc.retry_after_s
            )
        except SwapgateError as exc:
            message = f"on {socket.gethostname()}: {exc}"
            return Failure(message=message, kind=ErrorKind.INTERNAL)

    async def run_checks(
        self, suite: str, case: str, response: Response, cost_usd: float | None
    ) -> tuple[CheckResult, ...] | UndecidedCheck:
        """Return what the checks of a case say; `suite` is the path of its file from the workspace."""
        try:
            ready = self._case(suite, case)
            subject = _subject(ready, response, cost_usd)
            return await checks_in_thread(ready.checks, subject, timeout_s=self._settings.timeout_s)
        except SwapgateError as exc:
            return _undecided(exc, name="python", noun="check")

    async def run_judge(
        self, suite: str, case: str, judge: str, response: Response, cost_usd: float | None
    ) -> Verdict | UndecidedCheck:
        """Return what a judge that is code says of a response to a case."""
        try:
            ready = self._case(suite, case)
            subject = _subject(ready, response, cost_usd)
            code = next(j for j in ready.judges if isinstance(j, CodeJudge) and j.spec.judge == judge)
            return await judge_in_thread(code, subject, timeout_s=self._settings.timeout_s)
        except SwapgateError as exc:
            return _undecided(exc, name=judge, noun="judge")

    def _provider(self, model: str) -> Provider:
        if model not in self._opened:
            http = open_http(concurrency=self._settings.concurrency, timeout_s=self._settings.timeout_s)
            self._opened[model] = open_provider(self._models[model], http=http, root=self._settings.root)
        return self._opened[model]

    @cached_property
    def _workspace(self) -> Workspace:
        return Workspace(self._settings)

    def _case(self, suite: str, case: str) -> ReadyCase:
        if suite not in self._cases:
            ready = self._workspace.suite(self._settings.root / suite)
            self._cases[suite] = {one.placed.case.id: one for one in ready.cases}
        return self._cases[suite][case]

    @cached_property
    def _cases(self) -> dict[str, dict[str, ReadyCase]]:
        return {}


def _subject(ready: ReadyCase, response: Response, cost_usd: float | None) -> Subject:
    case = ready.placed.case
    return Subject(response=response, expected=case.expected, variables=case.input, cost_usd=cost_usd)


def _undecided(exc: SwapgateError, *, name: str, noun: str) -> UndecidedCheck:
    """Return an error on its way back; one that is not of the user's code names this machine."""
    if isinstance(exc, UserCheckFailed):
        return UndecidedCheck(
            message=exc.message, check=exc.check, exception=exc.exception, place=exc.place, noun=exc.noun
        )
    return UndecidedCheck(message=f"on {socket.gethostname()}: {exc}", check=name, noun=noun)


def moved(settings: Settings, root: Path) -> Settings:
    """Return the settings of the same workspace in another folder."""

    def move(path: Path) -> Path:
        return root / path.relative_to(settings.root) if path.is_relative_to(settings.root) else path

    return replace(
        settings,
        root=root,
        cases_dirs=tuple(map(move, settings.cases_dirs)),
        judges_dir=move(settings.judges_dir),
        prompts_dir=move(settings.prompts_dir),
        models_file=move(settings.models_file),
        reports_dir=move(settings.reports_dir),
        state_dir=move(settings.state_dir),
        recordings=tuple(map(move, settings.recordings)),
    )
