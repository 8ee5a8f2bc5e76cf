"""The app of the page on one's own app ends as the page says."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import psycopg

from chatkit_server.testing import Say, ScriptedModel, message
from tests.docs.blocks import read_blocks
from tests.named import ROOT

ADA = {"Authorization": "Bearer ada-token"}


def test_what_was_sent_is_kept_when_the_app_stops(tmp_path: Path, database_url: str) -> None:
    blocks = read_blocks(ROOT / "web/site/docs/your-own-app.md")
    shop = next(block.text for block in blocks if block.meta.get("title") == "shop.py")
    (tmp_path / "shop.py").write_text(shop)
    with ScriptedModel(Say("A lamp and a shelf.", hold_after=3)) as model:
        uvicorn = [sys.executable, "-m", "uvicorn", "shop:app", "--port", "0"]
        app = subprocess.Popen(
            [*uvicorn, "--timeout-graceful-shutdown", "1"],
            cwd=tmp_path,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(map(str, (ROOT, ROOT / "stores", ROOT / "tools"))),
                "DATABASE_URL": database_url,
                "OPENAI_BASE_URL": model.base_url,
                "OPENAI_API_KEY": "none",
                "OPENAI_AGENTS_DISABLE_TRACING": "1",
            },
            stderr=subprocess.PIPE,
            text=True,
        )
        assert app.stderr is not None
        with app, app.stderr as log:
            url = next(line.split()[4] for line in log if "running on" in line)
            ask = {"type": "threads.create", "params": {"input": message("What have I ordered?")}}
            seen = ""
            try:
                with httpx.stream(
                    "POST", f"{url}/assistant", json=ask, headers=ADA, timeout=30
                ) as response:
                    for line in response.iter_lines():
                        seen += line if "text_delta" in line else ""
                        if seen.count("text_delta") == 3 and app.poll() is None:
                            app.send_signal(signal.SIGTERM)
            except httpx.RemoteProtocolError:
                pass
            app.communicate(timeout=120)

    with psycopg.connect(database_url) as connection:
        rows = connection.execute("select data from chatkit.items order by seq").fetchall()
    assert rows[1][0]["type"] == "assistant_message"
    assert rows[1][0]["content"][0]["text"] == "A lamp and a"
