"""Checks the answers to a form against the questions that were asked."""

from __future__ import annotations

from chatkit.types import (
    StructuredInput,
    StructuredInputAnswerSubmission,
    StructuredInputItem,
    StructuredInputMultipleChoice,
    StructuredInputSubmission,
)

from .errors import RequestError, invalid


def check_answers(
    form: StructuredInputItem, submission: StructuredInputSubmission, *, own_answers: bool
) -> None:
    """Refuse what the form does not ask for; every question may be skipped.

    The SDK takes any text for a choice, drops what is one too many, and ignores unknown questions.

    Args:
        form: As it is stored.
        submission: As it was sent.
        own_answers: Whether a text of one's own may stand in for one of the options.

    Raises:
        RequestError: 409 for a form that is answered already; 400 with a sentence that names the
            question.
    """
    if form.status != "pending":
        raise RequestError(409, "not_pending", "These questions are answered already.")
    questions = {question.id: question for question in form.inputs}
    for question_id, answer in submission.answers.items():
        question = questions.get(question_id)
        if question is None:
            asked = ", ".join(questions)
            raise invalid(f"answers: this form asks nothing of the kind; it asks for: {asked}.")
        if submission.status == "answered" and not answer.skipped:
            _check_answer(question, answer, own_answers)


def _check_answer(
    question: StructuredInput, answer: StructuredInputAnswerSubmission, own_answers: bool
) -> None:
    place = f"answers.{question.id}"
    values = answer.values
    several = isinstance(question, StructuredInputMultipleChoice) and question.multiple
    if len(values) > 1 and not several:
        raise invalid(f"{place} takes one value; {len(values)} were given.")
    if len(set(values)) < len(values):
        raise invalid(f"{place} has the same value twice.")
    # A question without options can only be answered by a text.
    if not isinstance(question, StructuredInputMultipleChoice) or not question.options:
        return
    options = [option.value for option in question.options]
    own = [value for value in values if value not in options]
    if len(own) > own_answers:
        wanted = "some of" if several else "one of"
        besides = ", and one text of your own at most" if own_answers else ""
        raise invalid(f"{place} must be {wanted} these{besides}: {'; '.join(options)}.")
