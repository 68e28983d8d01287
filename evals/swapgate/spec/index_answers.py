"""The key `answers` of `config/index.yml`: both swaps judged by what is answered in the end."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from swapgate.spec.suite import Written

Name = Annotated[str, Field(min_length=1, max_length=200)]
Count = Annotated[int, Field(ge=1)]
Margin = Annotated[float, Field(gt=0, lt=1)]


class AnswersEntry(Written):
    """Questions that both models answer from what both indexes find.

    `suite` is a suite file whose cases are the questions: `question` names the variable that is searched for,
    `context` the one that holds the `k` texts found. `faithfulness` and `retrieval` name judges, `qrels` a
    file of labels: of texts graded `relevant_from` or more one must be found. What may be lost is `margin`.
    """

    suite: Name
    control: Name
    candidate: Name
    question: Name = "question"
    context: Name = "context"
    k: Annotated[int, Field(ge=1, le=100)] = 5
    faithfulness: Name | None = None
    retrieval: Name | None = None
    qrels: Name | None = None
    relevant_from: Count = 1
    margin: Margin = 0.05
    slices: tuple[Name, ...] = ()
    slice_questions: Count = 30
    max_errors: Annotated[float, Field(ge=0, le=1)] = 0.05

    @model_validator(mode="after")
    def _two_of_each(self) -> AnswersEntry:
        if self.control == self.candidate:
            raise ValueError("`control` and `candidate` are the same model: there is no swap to judge")
        if self.question == self.context:
            raise ValueError("`question` and `context` are the same variable")
        return self
