"""A search that nobody waits for any more costs nothing afterwards."""

import asyncio
import contextlib

from chatkit_tools import Passages


async def test_searches_that_were_cancelled_do_not_use_up_the_connections(
    passages: Passages,
) -> None:
    for _ in range(50):
        search = asyncio.create_task(passages.search("anything"))
        # As far as its request to the engine, which is under way then.
        for _ in range(3):
            await asyncio.sleep(0)
        search.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await search

    async with asyncio.timeout(60):
        await asyncio.gather(*(passages.search("anything") for _ in range(20)))
