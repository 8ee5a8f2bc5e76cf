"""What the tests of `web/core` replay is what the installed SDK streams and stores."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from chatkit.types import ThreadItemUpdate, ThreadStreamEvent

from tests.contract.transcripts.record import FOLDER, path_of, record
from tests.contract.transcripts.scenes import SCENES

HOW = (
    "Look at what has changed, mend web/core, and run `python -m tests.contract.transcripts.record`"
)


def committed(name: str) -> dict[str, Any]:
    transcript: dict[str, Any] = json.loads(path_of(name).read_text("utf-8"))
    return transcript


@pytest.mark.parametrize("name", SCENES)
async def test_a_fresh_recording_equals_the_one_that_is_kept(name: str) -> None:
    assert await record(SCENES[name]) == committed(name), HOW


def test_there_is_a_recording_for_each_scene_and_no_other() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == set(SCENES), HOW


def test_every_event_and_update_of_the_sdk_is_in_a_recording() -> None:
    turns = [turn for name in SCENES for turn in committed(name)["turns"]]
    events = [json.loads(frame.removeprefix("data: ")) for t in turns for frame in t["frames"]]
    union, _discriminator = get_args(ThreadStreamEvent)

    assert {event["type"] for event in events} == types_of(union)
    updates = {event["update"]["type"] for event in events if "update" in event}
    assert updates == types_of(ThreadItemUpdate)


def types_of(union: Any) -> set[str]:
    return {model.model_fields["type"].default for model in get_args(union)}
