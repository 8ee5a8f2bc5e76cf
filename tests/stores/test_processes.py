"""Two processes on one database: both write to one thread, and both read on while they do."""

import asyncio
import json
import sys

from chatkit_stores import PostgresStore
from tests.fixtures.postgres import ADA
from tests.stores.items import thread

WRITER = """
import asyncio, json, sys
from chatkit_stores import PostgresStore
from chatkit_stores.testing.writers import write_and_follow
from tests.fixtures.postgres import ADA
from tests.stores.items import answer

async def main(dsn, name, number):
    async with PostgresStore.open(dsn) as store:
        print("ready", flush=True)
        sys.stdin.readline()
        items = [answer(f"msg_{name}_{count:03}") for count in range(number)]
        # Both have begun before one goes on: on a busy machine, one might be done by then.
        first, *others = items
        await store.add_thread_item("thr_1", first, ADA)
        while len((await store.load_thread_items("thr_1", None, 2, "asc", ADA)).data) < 2:
            pass
        seen = await write_and_follow(
            store, others, 2 * number, thread_id="thr_1", context=ADA, patience=120
        )
    print(json.dumps(seen))

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""


async def test_two_processes_see_every_item_once_in_one_order(
    store: PostgresStore, database_url: str
) -> None:
    number = 150
    await store.save_thread(thread(), ADA)
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable,
            *("-W", "ignore", "-c", WRITER, database_url, name, f"{number}"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        for name in ("a", "b")
    ]
    for process in processes:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"

    said = await asyncio.gather(*(process.communicate(b"\n") for process in processes))

    listed: list[str] = []
    after: str | None = None
    while True:
        page = await store.load_thread_items("thr_1", after, 20, "asc", ADA)
        listed += [item.id for item in page.data]
        after = page.after
        if not page.has_more:
            break
    assert [json.loads(out) for out, _ in said] == [listed, listed]
    for name in ("a", "b"):
        own = [item for item in listed if item.startswith(f"msg_{name}")]
        assert own == [f"msg_{name}_{count:03}" for count in range(number)]
    # They did write at the same time.
    assert listed != sorted(listed)
