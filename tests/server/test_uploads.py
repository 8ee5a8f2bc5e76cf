"""Uploads for which the server's own disk has no room."""

import tempfile
from pathlib import Path

import pytest

from tests.fixtures.app import Client, StartServer
from tests.fixtures.files import SECRET, announce, put, upload_directly


@pytest.mark.parametrize("direct", [True, False])
def test_an_upload_that_can_not_be_received_may_be_tried_again(
    start_server: StartServer, files_dir: Path, monkeypatch: pytest.MonkeyPatch, direct: bool
) -> None:
    content = b"A line of a log.\n" * 100_000
    with start_server(attachments=str(files_dir), secret=SECRET) as url:
        ada = Client(url)
        announced = announce(ada, content)
        # What is larger than a megabyte is received into a file there.
        monkeypatch.setattr(tempfile, "tempdir", str(files_dir / "no/such/place"))

        response = upload_directly(ada, content) if direct else put(announced, content)

        assert response.status_code == 503, response.text
        assert response.json()["error"]["code"] == "unavailable"
        monkeypatch.undo()
        assert put(announced, content).status_code == 200
