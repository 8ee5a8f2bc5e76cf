"""Measures a page of 20 items of a long thread in a large table, against one in a small table.

python -m tests.bench.pages
"""

from __future__ import annotations

import asyncio
import statistics
import time
from itertools import product
from urllib.parse import urlsplit

import psycopg

from chatkit_stores import PostgresStore, migrate
from tests.bench.grounds import grounds
from tests.fixtures.postgres import ADA

SMALL, LARGE = 1_000, 1_000_000
LONG = 100_000
"""Items of the thread that is read in the large table."""
SHORT = 100
"""Items of all other threads; the one that is read in the small table has all of its items."""
ROUNDS = 300
_FILL = """
    insert into chatkit.threads (id, user_id, created_at)
    select
        format('thr_%%s', n), case n when 0 then 'ada' else format('user_%%s', n %% 500) end, now()
    from generate_series(0, %(threads)s) as n;
    insert into chatkit.items (id, thread_id, user_id, kind, data)
    select
        format('msg_%%s', n), threads.id, threads.user_id, 'user_message',
        json_build_object(
            'id', format('msg_%%s', n), 'thread_id', threads.id, 'created_at', now(),
            'type', 'user_message', 'attachments', '[]'::json, 'inference_options', '{}'::json,
            'content', json_build_array(
                json_build_object('type', 'input_text', 'text', repeat('How do I start it? ', 8))
            )
        )
    from (
        select n, case
            when n %% %(every)s = 0 and n < %(every)s * %(long)s then 0 else n / %(short)s + 1
        end as number from generate_series(0, %(items)s - 1) as n
    ) as numbered
    join chatkit.threads as threads on threads.id = format('thr_%%s', numbered.number);
    analyze
"""


async def fill(dsn: str, items: int, long: int) -> str:
    """Make a database with so many items, `long` of them in the thread `thr_0`; its DSN."""
    name = f"items_{items}"
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        await connection.execute(f"create database {name}".encode())
    database = urlsplit(dsn)._replace(path=f"/{name}").geturl()
    await migrate(database)
    values = {
        "items": items,
        "threads": items // SHORT + 1,
        "long": long,
        # The thread grows among all the others, as in life.
        "every": items // long,
        "short": SHORT,
    }
    # The server takes one command at a time with parameters; here they are numbers of ours.
    statement = _FILL % values
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as connection:
        for command in statement.split(";"):
            await connection.execute(command.encode())
    return database


async def page(store: PostgresStore, after: str | None, order: str) -> float:
    """Milliseconds of one page."""
    began = time.perf_counter()
    found = await store.load_thread_items("thr_0", after, 20, order, ADA)
    took = (time.perf_counter() - began) * 1000
    assert len(found.data) == 20, (len(found.data), after)
    return took


async def measure(dsn: str) -> None:
    began = time.perf_counter()
    small, large = await fill(dsn, SMALL, SMALL), await fill(dsn, LARGE, LONG)
    print(f"{LARGE:,} items inserted in {time.perf_counter() - began:.0f} s")

    def place(where: str, order: str, items: int, long: int) -> str | None:
        """The item after which the first, the middle or the last page begins."""
        number = {"first": None, "middle": long // 2, "last": long - 21}[where]
        if number is None:
            return None
        return f"msg_{(number if order == 'asc' else long - 1 - number) * (items // long)}"

    worst = 0.0
    async with PostgresStore.open(small) as few, PostgresStore.open(large) as many:
        for where, order in product(("first", "middle", "last"), ("asc", "desc")):
            in_few, in_many = [], []
            # The first ones open connections and fill caches.
            for number in range(ROUNDS + 20):
                a = await page(few, place(where, order, SMALL, SMALL), order)
                b = await page(many, place(where, order, LARGE, LONG), order)
                if number >= 20:
                    in_few.append(a)
                    in_many.append(b)
            ratio = statistics.median(in_many) / statistics.median(in_few)
            worst = max(worst, ratio)
            print(
                f"{where + ' page, ' + order:20} {statistics.median(in_few):6.2f} ms of {SMALL:,},"
                f" {statistics.median(in_many):6.2f} ms of {LARGE:,}: {ratio:.2f} x"
            )
    print(f"a page of 20 in the large table, at worst: {worst:.2f} x   at most 1.5 x")


def main() -> None:
    with grounds(index=False) as where:
        asyncio.run(measure(where.dsn))


if __name__ == "__main__":
    main()
