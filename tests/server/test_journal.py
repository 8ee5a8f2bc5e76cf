"""What is promised while the database is away is on the disk, and replayed once and in order."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatkit_server.journal import Entry, Journal, JournalFullError, Verdict
from tests.stores.items import answer, items_of_every_kind, question, thread


def entry(number: int, thread_id: str = "thr_1", *, at: float | None = None) -> Entry:
    return Entry(
        at=time.time() if at is None else at,
        user_id="ada",
        turn_id=f"turn_{number}",
        thread_id=thread_id,
        items=[question(f"msg_{number}", thread_id=thread_id)],
    )


class Target:
    """What entries are written to, and what it says to them."""

    def __init__(self, **verdicts: Verdict | Exception) -> None:
        self.turns: list[str] = []
        self.verdicts: dict[str, Verdict | Exception] = dict(verdicts)

    async def __call__(self, entry: Entry) -> Verdict:
        verdict = self.verdicts.get(entry.turn_id, "stored")
        if isinstance(verdict, Exception):
            raise verdict
        if verdict == "stored":
            self.turns.append(entry.turn_id)
        return verdict


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def journal(folder: Path) -> Iterator[Journal]:
    with Journal.open(folder) as journal:
        yield journal


def files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


async def test_entries_are_replayed_once_and_in_order(journal: Journal, folder: Path) -> None:
    for number in range(50):
        await journal.append(entry(number, f"thr_{number % 3}"))
    target = Target()

    assert (journal.entries, journal.holds("thr_2"), journal.holds("thr_3")) == (50, True, False)
    assert journal.size == files(folder)[0].stat().st_size > 0
    await journal.replay(target)
    await journal.replay(target)

    assert target.turns == [f"turn_{number}" for number in range(50)]
    assert (journal.entries, journal.size, journal.holds("thr_2")) == (0, 0, False)
    assert files(folder)[0].stat().st_size == 0


@pytest.mark.parametrize("text", ["", "null\0byte", "line\r\nbreak\u2028 \x85", "long " * 20])
async def test_an_entry_comes_back_as_it_was(journal: Journal, text: str) -> None:
    written = Entry(
        user_id="ada",
        turn_id="turn",
        thread_id="thr_1",
        thread=thread(title=text),
        items=list(items_of_every_kind(text)),
        changes={"title": text, "metadata": {"a": [text, None, 1.5]}},
        default_title=text,
    )
    seen: list[Entry] = []

    async def write(entry: Entry) -> Verdict:
        seen.append(entry)
        return "stored"

    await journal.append(written)
    await journal.replay(write)

    assert seen == [written]


async def test_an_entry_may_be_long(journal: Journal) -> None:
    await journal.append(entry(0).model_copy(update={"items": [answer("m", "long " * 100_000)]}))
    await journal.append(entry(1))
    target = Target()

    await journal.replay(target)

    assert target.turns == ["turn_0", "turn_1"]


async def test_what_can_not_be_written_stays_for_the_next_time(journal: Journal) -> None:
    for number in range(4):
        await journal.append(entry(number))
    target = Target(turn_2=ConnectionError("down"))

    with pytest.raises(ConnectionError):
        await journal.replay(target)
    assert journal.entries == 2
    await journal.append(entry(4))
    target.verdicts.clear()
    await journal.replay(target)

    assert target.turns == [f"turn_{number}" for number in range(5)]


async def test_entries_that_come_during_a_replay_are_replayed_too(journal: Journal) -> None:
    await journal.append(entry(0))
    seen: list[str] = []

    async def write(replayed: Entry) -> Verdict:
        seen.append(replayed.turn_id)
        if len(seen) < 5:
            await journal.append(entry(len(seen)))
        return "stored"

    await journal.replay(write)

    assert seen == [f"turn_{number}" for number in range(5)]
    assert journal.size == 0


async def test_refused_entries_are_counted_and_purged(journal: Journal) -> None:
    for number in range(3):
        await journal.append(entry(number))
    target = Target(turn_1="rejected")

    await journal.replay(target)

    assert target.turns == ["turn_0", "turn_2"]
    assert (journal.rejected, journal.entries, journal.size) == (1, 0, 0)


async def test_a_thread_that_is_not_there_yet_is_waited_for(journal: Journal) -> None:
    """Another process may still have to replay what made it."""
    await journal.append(entry(0, "thr_new"))
    await journal.append(entry(1))
    await journal.append(entry(2, "thr_new"))
    target = Target(turn_0="unknown")

    await journal.replay(target)
    assert target.turns == ["turn_1"]
    assert (journal.entries, journal.holds("thr_new"), journal.holds("thr_1")) == (2, True, False)
    await journal.append(entry(3, "thr_new"))
    target.verdicts.clear()
    await journal.replay(target)

    assert target.turns == ["turn_1", "turn_0", "turn_2", "turn_3"]
    assert (journal.rejected, journal.size) == (0, 0)


async def test_an_entry_that_fails_keeps_nothing_but_its_thread_back(journal: Journal) -> None:
    for number, thread_id in enumerate(["thr_1", "thr_1", "thr_2"]):
        await journal.append(entry(number, thread_id))
    target = Target(turn_0=ValueError("odd"))

    await journal.replay(target)
    assert target.turns == ["turn_2"]
    target.verdicts.clear()
    await journal.replay(target)

    assert target.turns == ["turn_2", "turn_0", "turn_1"]


async def test_old_entries_are_dropped_also_while_nothing_can_be_written(folder: Path) -> None:
    with Journal.open(folder, max_age=3600) as journal:
        await journal.append(entry(0, at=time.time() - 3601))
        await journal.append(entry(1))
        before = journal.size

        with pytest.raises(ConnectionError):
            await journal.replay(Target(turn_1=ConnectionError("down")))

        assert (journal.rejected, journal.entries) == (1, 1)
        assert 0 < journal.size < before * 0.6
        assert journal.size == files(folder)[0].stat().st_size
        target = Target()
        await journal.replay(target)
        assert target.turns == ["turn_1"]


async def test_all_files_together_hold_no_more_than_they_may(folder: Path) -> None:
    size = 5 * 400
    with Journal.open(folder, max_bytes=size) as one, Journal.open(folder, max_bytes=size) as two:
        kept = 0
        while one.size + two.size + 300 < size:
            await (one, two)[kept % 2].append(entry(kept))
            kept += 1
        for journal in (one, two):
            with pytest.raises(JournalFullError):
                await journal.append(entry(kept).model_copy(update={"user_id": "a" * 500}))
        assert one.size + two.size <= size

        target = Target()
        await one.replay(target)
        await two.replay(target)
        assert len(target.turns) == kept > 2
        # There is room again.
        await one.append(entry(kept))


async def test_a_disk_that_fails_leaves_no_half_entry(journal: Journal, folder: Path) -> None:
    import resource

    await journal.append(entry(0))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (journal.size + 10, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            await journal.append(entry(1))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)

    assert journal.entries == 1
    assert files(folder)[0].stat().st_size == journal.size
    await journal.append(entry(2))
    target = Target()
    await journal.replay(target)
    assert target.turns == ["turn_0", "turn_2"]


async def test_only_the_owner_of_the_process_may_read_it(journal: Journal, folder: Path) -> None:
    await journal.append(entry(0))

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [stat.S_IMODE(file.stat().st_mode) for file in files(folder)] == [0o600]


async def test_nothing_is_left_where_nothing_waits(folder: Path) -> None:
    with Journal.open(folder) as journal:
        await journal.append(entry(0))
        await journal.replay(Target())
    assert files(folder) == []

    with Journal.open(folder) as journal:
        await journal.append(entry(0))
    assert len(files(folder)) == 1


async def test_a_living_process_keeps_its_own(journal: Journal, folder: Path) -> None:
    await journal.append(entry(0))
    with Journal.open(folder) as other:
        target = Target()
        await other.replay(target)
        assert (target.turns, other.entries) == ([], 0)
    assert journal.entries == 1


async def test_a_disk_that_is_full_keeps_nothing_back_that_could_be_written(
    journal: Journal, folder: Path
) -> None:
    target = Target(turn_0="unknown")
    [file] = files(folder)
    # The file can't be written anew without what is replayed.
    (file.with_suffix(".new") / "in the way").mkdir(parents=True)
    for number, thread_id in enumerate(["thr_0", "thr_1", "thr_0"]):
        await journal.append(entry(number, thread_id))
    await journal.replay(target)
    await journal.append(entry(3, "thr_3"))
    await journal.append(entry(4, "thr_0"))
    await journal.replay(target)

    assert (target.turns, journal.entries) == (["turn_1", "turn_3"], 3)
    (file.with_suffix(".new") / "in the way").rmdir()
    file.with_suffix(".new").rmdir()
    target.verdicts.clear()
    await journal.replay(target)
    assert target.turns == ["turn_1", "turn_3", "turn_0", "turn_2", "turn_4"]
    assert (journal.entries, journal.size) == (0, 0)


async def test_the_oldest_entry_is_told_while_its_file_is_written_anew(tmp_path: Path) -> None:
    """As the metrics ask for it, in the middle of what another thread does."""
    old, new = entry(0, at=time.time() - 7200), entry(1)
    for number in range(40):
        with Journal.open(tmp_path / str(number), max_age=3600) as journal:
            await journal.append(old)
            await journal.append(new)
            replaying = asyncio.create_task(journal.replay(Target(turn_1=ConnectionError())))
            while not replaying.done():
                assert journal.oldest in (old.at, new.at, None)
                await asyncio.sleep(0)
            assert isinstance(replaying.exception(), ConnectionError)
            assert journal.oldest == new.at


async def test_a_file_that_is_cut_from_outside_ends_where_it_ends(
    journal: Journal, folder: Path
) -> None:
    target = Target()
    for number in range(3):
        await journal.append(entry(number))
    [file] = files(folder)
    os.truncate(file, 0)

    async with asyncio.timeout(60):
        await journal.replay(target)
    await journal.append(entry(3))
    await journal.replay(target)

    assert (target.turns, journal.entries, journal.size) == (["turn_3"], 0, 0)


async def test_a_file_that_can_not_be_taken_over_keeps_no_other_back(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Journal.open(folder) as journal:
        await journal.append(entry(0))
    (folder / "0.journal").mkdir()
    target = Target()
    with Journal.open(folder) as journal:
        await journal.append(entry(1))
        await journal.replay(target)
        await journal.replay(target)

        assert (target.turns, journal.entries) == (["turn_0", "turn_1"], 0)
    assert caplog.text.count("0.journal can't be taken over") == 1


WRITER = """
    import asyncio, os, sys
    from pathlib import Path
    from chatkit_server.journal import Journal
    from tests.server.test_journal import entry

    async def main():
        with Journal.open(Path(sys.argv[1])) as journal:
            number = 0
            while True:
                await journal.append(entry(number))
                print(number, flush=True)
                number += 1

    asyncio.run(main())
"""


def killed_writer(folder: Path, entries: int) -> int:
    """A process that is killed while it writes; how many entries it says to have written."""
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(WRITER), str(folder)],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) >= entries:
                process.kill()
                break
        else:
            pytest.fail("the writer ended by itself")
        rest = process.stdout.readlines()
        return int(rest[-1] if rest else line) + 1


async def test_the_files_of_killed_processes_are_taken_over(folder: Path) -> None:
    written = [killed_writer(folder, 20), killed_writer(folder, 5)]
    with Journal.open(folder) as journal:
        target = Target(turn_3=ConnectionError("down"))
        with pytest.raises(ConnectionError):
            await journal.replay(target)
        assert journal.entries >= sum(written) - 3
        target.verdicts.clear()
        await journal.replay(target)

        # Everything that was said to be written, perhaps one more, the older file first.
        assert len(target.turns) - sum(written) in range(3)
        assert target.turns[: written[0]] == [f"turn_{number}" for number in range(written[0])]
        assert len(files(folder)) == 1
    assert files(folder) == []


async def test_two_processes_share_what_is_left(folder: Path) -> None:
    for _ in range(3):
        killed_writer(folder, 5)
    left = {path.name: path.read_bytes().count(b"\n") for path in files(folder)}
    target = Target()
    with Journal.open(folder) as one, Journal.open(folder) as two:
        await asyncio.gather(*(journal.replay(target) for journal in (one, two) for _ in range(3)))
    assert len(target.turns) == sum(left.values())


@pytest.mark.parametrize("damage", [b"", b"12345678 {", b"\xff\n", b"00000000 {}\n"])
async def test_a_torn_line_is_dropped_and_counted(folder: Path, damage: bytes) -> None:
    with Journal.open(folder) as journal:
        for number in range(2):
            await journal.append(entry(number))
    [file] = files(folder)
    whole = file.read_bytes()
    file.write_bytes(whole[: -len(whole) // 4] if damage == b"" else whole + damage)

    with Journal.open(folder) as journal:
        target = Target()
        await journal.replay(target)

    assert target.turns == (["turn_0"] if damage == b"" else ["turn_0", "turn_1"])
    assert journal.rejected == 1
    assert files(folder) == []


async def test_damage_in_the_middle_costs_that_entry_only(folder: Path) -> None:
    with Journal.open(folder) as journal:
        for number in range(3):
            await journal.append(entry(number))
    [file] = files(folder)
    file.write_bytes(file.read_bytes().replace(b"turn_1", b"turn_7"))

    with Journal.open(folder) as journal:
        target = Target()
        await journal.replay(target)

    assert (target.turns, journal.rejected) == (["turn_0", "turn_2"], 1)


async def test_a_process_killed_before_the_removal_replays_again(folder: Path) -> None:
    """And does not lose what it had not replayed: to write twice has to be harmless."""
    killed_writer(folder, 5)
    replayer = """
        import asyncio, os, signal, sys
        from pathlib import Path
        from chatkit_server.journal import Journal

        async def write(entry):
            if entry.turn_id == "turn_4":
                os.kill(os.getpid(), signal.SIGKILL)
            return "stored"

        async def main():
            with Journal.open(Path(sys.argv[1])) as journal:
                await journal.replay(write)

        asyncio.run(main())
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(replayer), str(folder)])
    assert done.returncode == -signal.SIGKILL

    with Journal.open(folder) as journal:
        target = Target()
        await journal.replay(target)
    assert target.turns[:5] == [f"turn_{number}" for number in range(5)]


async def test_answers_and_questions_are_entries_of_their_own(journal: Journal) -> None:
    """A turn's second entry adds to its first."""
    await journal.append(entry(0))
    await journal.append(entry(0).model_copy(update={"items": [answer("msg_a")]}))
    seen: list[str] = []

    async def write(entry: Entry) -> Verdict:
        seen.extend(item.id for item in entry.items)
        return "stored"

    await journal.replay(write)
    assert seen == ["msg_0", "msg_a"]
