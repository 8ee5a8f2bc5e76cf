"""What a role or database sets for its sessions changes nothing of what is kept."""

from datetime import UTC, datetime, timedelta

from chatkit_stores import PostgresStore, Selection, migrate
from chatkit_stores.inspection import inspect
from tests.fixtures.postgres import ADA, DatabaseServer
from tests.stores.items import answer, question, thread

SETTINGS = {
    "datestyle": "'German, DMY'",
    "intervalstyle": "'sql_standard'",
    "timezone": "'Asia/Kathmandu'",
    "standard_conforming_strings": "off",
    "backslash_quote": "off",
    "search_path": "''",
    "default_transaction_isolation": "'repeatable read'",
    "row_security": "off",
    "extra_float_digits": "-15",
}


async def test_a_database_with_settings_of_its_own(database_server: DatabaseServer) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=90)
    made = thread().model_copy(update={"created_at": long_ago, "title": "A \\ 'title'"})
    said = [
        item.model_copy(update={"created_at": long_ago + timedelta(seconds=1)})
        for item in (question("q", "C:\\n 'x'"), answer("a", "\\x41 🚀 \0"))
    ]
    with database_server.fresh_database("template1") as name:
        for setting, value in SETTINGS.items():
            database_server.execute(f"alter database {name} set {setting} = {value}")
        dsn = database_server.database(name)
        assert await migrate(dsn)

        async with PostgresStore.open(dsn) as store:
            await store.begin_turn("turn", made, said[0], context=ADA)  # type: ignore[arg-type]
            await store.finish_turn("turn", "thr_1", items=said[1:], context=ADA)
            await store.add_feedback("thr_1", ["a"], "positive", context=ADA)

            assert (await store.load_threads(5, None, "desc", ADA)).data == [made]
            assert (await store.load_thread_items("thr_1", None, 5, "asc", ADA)).data == said
            [summary] = await store.load_summaries(["thr_1"])
            assert (summary.created_at, summary.used_at) == (long_ago, said[1].created_at)
            [dumped] = [piece.lines async for piece in store.dump_threads(Selection())]
            assert f'"created_at":"{long_ago.isoformat().replace("+00:00", "Z")}"' in dumped
            assert [count async for count in store.delete_unused(91)] == [0]
            assert [count async for count in store.delete_unused(89)] == [1]
        assert abs((await inspect(dsn)).clock_ahead_seconds) < 60
