"""Every request type of the installed SDK has a transcript, a refusal and an owner's check."""

from __future__ import annotations

from typing import get_args

import pytest
from chatkit.types import NonStreamingReq, StreamingReq

from tests.contract.test_owners import INTRUSIONS, OTHERS
from tests.named import is_test

TRANSCRIPTS: dict[str, tuple[str, str]] = {
    "threads.create": (
        "test_transcripts.py::test_threads_create_streams_a_cited_answer",
        "test_refusals.py::test_a_wrong_request_is_refused_with_a_sentence",
    ),
    "threads.add_user_message": (
        "test_transcripts.py::test_threads_add_user_message_goes_on_in_the_thread",
        "test_refusals.py::test_an_unknown_id_is_404",
    ),
    "threads.add_client_tool_output": (
        "test_client_tools.py::test_threads_add_client_tool_output_goes_on_with_the_answer",
        "test_refusals.py::test_what_cannot_be_done_with_an_item_is_refused_before_anything_changes",
    ),
    "threads.add_structured_input": (
        "test_forms.py::test_threads_add_structured_input_keeps_the_answers",
        "test_forms.py::test_wrong_answers_are_refused_with_a_sentence",
    ),
    "threads.retry_after_item": (
        "test_transcripts.py::test_threads_retry_after_item_answers_again",
        "test_refusals.py::test_what_cannot_be_done_with_an_item_is_refused_before_anything_changes",
    ),
    "threads.custom_action": (
        "test_actions.py::test_threads_custom_action_stores_every_update_of_a_widget",
        "test_actions.py::test_an_action_is_refused_where_it_has_no_place",
    ),
    "threads.sync_custom_action": (
        "test_actions.py::test_threads_sync_custom_action_stores_what_it_answers_with",
        "test_actions.py::test_an_action_is_refused_where_it_has_no_place",
    ),
    "threads.get_by_id": (
        "test_transcripts.py::test_threads_get_by_id_gives_the_thread_with_its_items",
        "test_refusals.py::test_an_unknown_id_is_404",
    ),
    "threads.list": (
        "test_transcripts.py::test_threads_list_has_the_newest_first_with_titles",
        "test_owners.py::test_a_cursor_of_another_user_is_unknown",
    ),
    "threads.update": (
        "test_transcripts.py::test_threads_update_renames",
        "test_refusals.py::test_an_unknown_id_is_404",
    ),
    "threads.delete": (
        "test_transcripts.py::test_threads_delete_removes_the_thread",
        "test_refusals.py::test_an_unknown_id_is_404",
    ),
    "items.list": (
        "test_transcripts.py::test_items_list_pages_in_both_directions",
        "test_owners.py::test_a_cursor_of_another_user_is_unknown",
    ),
    "items.feedback": (
        "test_feedback.py::test_items_feedback_is_kept_with_who_what_and_when",
        "test_feedback.py::test_feedback_on_what_is_not_there_is_refused_as_a_whole",
    ),
    "attachments.create": (
        "test_attachments.py::test_an_announced_file_is_uploaded_sent_and_shown",
        "test_attachments.py::test_what_cannot_be_right_is_refused_when_announced",
    ),
    "attachments.delete": (
        "test_attachments.py::test_a_removed_file_is_gone",
        "test_attachments.py::test_what_is_somebody_elses_is_not_there",
    ),
    "input.transcribe": (
        "test_dictation.py::test_a_recording_becomes_text",
        "test_dictation.py::test_bad_recordings_are_refused_before_anybody_is_asked",
    ),
}


def test_no_request_type_is_missing() -> None:
    types = {
        kind.model_fields["type"].default
        for kind in (*get_args(StreamingReq), *get_args(NonStreamingReq))
    }

    assert types == TRANSCRIPTS.keys()
    assert types == INTRUSIONS.keys() | OTHERS
    assert len(types) == 16


@pytest.mark.parametrize("kind", TRANSCRIPTS)
def test_the_transcripts_exist(kind: str) -> None:
    for reference in TRANSCRIPTS[kind]:
        assert is_test(f"tests/contract/{reference}"), reference
