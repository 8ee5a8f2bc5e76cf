"""Ids: in the order of time, with the prefixes that ChatKit uses."""

from chatkit_stores import new_id


def test_ids_sort_by_time_and_keep_the_prefixes() -> None:
    ids = [new_id("message") for _ in range(20_000)]

    assert len(set(ids)) == len(ids)
    assert [made[:16] for made in ids] == sorted(made[:16] for made in ids)
    assert {len(made) for made in ids} == {len("msg_") + 32}
    assert [
        new_id(kind).split("_")[0]
        for kind in ("thread", "tool_call", "workflow", "task", "attachment", "sdk_hidden_context")
    ] == ["thr", "tc", "wf", "tsk", "atc", "shcx"]
