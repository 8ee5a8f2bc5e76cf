"""An index run that is killed, as a deploy or a full memory does it."""

import signal
import subprocess
import sys
from pathlib import Path

from chatkit_tools import Passages

# Says that it is in the middle, and goes no further.
SCRIPT = """
import asyncio, pathlib, sys
from chatkit_tools import Passages

def stop(done, total):
    if done > 1200:
        print("in the middle", flush=True)
        sys.stdin.read()

async def main():
    async with Passages.open(data_dir=pathlib.Path(sys.argv[1])) as passages:
        await passages.index(pathlib.Path(sys.argv[2]), progress=stop)

asyncio.run(main())
"""


async def test_a_killed_run_leaves_the_old_state_and_the_next_one_goes_on(tmp_path: Path) -> None:
    docs, data = tmp_path / "docs", tmp_path / "data"
    docs.mkdir()
    for number in range(1500):
        (docs / f"{number}.md").write_text(f"# Page {number}\n\nA walrus.")
    async with Passages.open(data_dir=data) as passages:
        await passages.index(docs)
        for number in range(1500):
            (docs / f"{number}.md").write_text(f"# Page {number}\n\nA narwhal.")
        for number in range(1500, 1600):
            (docs / f"{number}.md").write_text(f"# Page {number}\n\nA narwhal too.")

        with subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(data), str(docs)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as run:
            assert run.stdout is not None
            assert run.stdout.readline() == "in the middle\n"
            run.send_signal(signal.SIGKILL)
            run.wait()

        assert len(await passages.search("walrus", limit=50)) == 50
        assert not await passages.search("narwhal")
        assert await passages.count() == 1500

        summary = await passages.index(docs)

        assert (summary.added, summary.changed) == (100, 1500)
        # What the killed run had written is not written again.
        assert 0 < summary.written < 1600
        assert summary.passages == 1600
        assert not await passages.search("walrus")
        assert (await passages.index(docs)).written == 0
