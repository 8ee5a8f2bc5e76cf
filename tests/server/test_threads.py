"""The commands for chats, run as an operator runs them."""

from __future__ import annotations

import json
import os
import pty
import re
import stat
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx
import jwt
import psycopg
import pytest

from chatkit_server.identity import anonymous_user, token_user
from chatkit_server.importing import _Reading
from chatkit_stores.embedded import _find_programs
from tests.fixtures.app import Client, StartServer
from tests.fixtures.command import COMMAND, run
from tests.fixtures.files import PNG, SECRET, ask_about, upload
from tests.server.test_housekeeping import age

DOCS = Path(__file__).parents[2] / "web/site/docs/data.md"
NEON = "How do I connect to Neon?"


def user(client: Client) -> str:
    return str(anonymous_user(client.secret))


@pytest.fixture
def command(place: Path, database_url: str) -> Any:
    """Runs `chatkit-server threads …` on the test's database."""

    def call(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        done = run(place, "threads", *arguments, DATABASE_URL=database_url, **variables)
        assert "Traceback" not in done.stderr, done.stderr
        return done

    return call


def test_chats_are_listed_and_read(command: Any, ada: Client, bob: Client) -> None:
    thread = ada.ask(NEON).thread_id
    other = bob.ask("What \x1b[31m loaf?").thread_id

    everything = command("show")
    mine = command("show", "--user", user(ada), "--json")
    said = command("show", "--thread", other)
    none = command("show", "--older-than", "1d")
    one = command("show", "--thread", thread, "--thread", other, "--limit", "1")

    assert thread in everything.stdout
    assert user(bob) in everything.stdout
    assert "2 shown; there are 2 chats of 2 users" in everything.stdout
    [found] = json.loads(mine.stdout)
    assert (found["id"], found["title"], found["items"]) == (thread, NEON, 2)
    assert "What  [31m loaf?" in said.stdout
    assert "[assistant_message, " in said.stdout
    assert "\x1b" not in everything.stdout + said.stdout
    # Counting all of them takes a while where there are many.
    assert none.stdout == "0 shown.\n"
    assert one.stdout.endswith("\n1 shown; --limit shows more.\n")


def test_an_export_is_taken_in_elsewhere(
    command: Any, ada: Client, bob: Client, place: Path, database_server: Any
) -> None:
    thread = ada.ask(NEON).thread_id
    bob.ask("A loaf?")
    file = place / "chats.jsonl"

    to_file = command("export", "--user", user(ada), "--output", str(file))
    to_pipe = command("export", "--quiet")

    assert (to_file.returncode, to_file.stdout) == (0, "")
    assert "1 chats were exported." in to_file.stderr
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [json.loads(line)["type"] for line in file.read_text().splitlines()] == [
        "thread", "item", "item",
    ]  # fmt: skip
    assert len(to_pipe.stdout.splitlines()) == 6
    with database_server.fresh_database("migrated") as name:
        there = {"DATABASE_URL": database_server.database(name)}
        checked = run(place, "threads", "import", str(file), "--dry-run", **there)
        first = run(place, "threads", "import", str(file), **there)
        again = run(place, "threads", "import", str(file), **there)
        listed = run(place, "threads", "show", "--json", **there)

    assert checked.stdout == "All lines are good. Nothing was written.\n"
    assert first.stdout.startswith("1 chats, 2 items and 0 attachments were imported; 0 lines")
    assert again.stdout.startswith("0 chats, 0 items and 0 attachments were imported; 3 lines")
    [found] = json.loads(listed.stdout)
    assert (found["id"], found["user_id"]) == (thread, user(ada))


def test_what_people_write_does_not_end_a_line(command: Any, ada: Client, place: Path) -> None:
    thread = ada.ask(NEON).thread_id
    item = json.loads(command("export").stdout.split("\n")[1])["item"]
    item |= {"id": "msg_copied", "content": [{"type": "input_text", "text": "A\u2028loaf\x85?"}]}
    hidden = {key: item[key] for key in ("thread_id", "created_at")}
    hidden |= {"id": "hid_1", "type": "hidden_context_item", "content": ["for the model"]}
    file = place / "copied.jsonl"
    file.write_text("".join(f"{json.dumps({'type': 'item', 'item': i})}\n" for i in (item, hidden)))
    taken = command("import", str(file), "--quiet")

    said = command("show", "--thread", thread)

    assert taken.stdout.startswith("0 chats, 2 items")
    assert "\nA\nloaf\n?\n" in said.stdout
    assert "[hidden_context_item, " in said.stdout


def test_an_export_that_breaks_off_leaves_nothing(
    place: Path, database_url: str, ada: Client
) -> None:
    ada.ask(NEON)
    command = [*COMMAND, "threads", "export", "--output", "all.jsonl"]

    # As a disk that is full.
    done = subprocess.run(
        ["sh", "-c", 'ulimit -f 0; exec "$@"', "sh", *command],
        cwd=place,
        env={**os.environ, "DATABASE_URL": database_url, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 1
    assert "'all.jsonl' can't be written: File too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(place.glob("all.jsonl*"))


def test_bad_lines_are_named_and_good_ones_kept_if_wanted(
    command: Any, ada: Client, place: Path
) -> None:
    thread = ada.ask(NEON).thread_id
    lines = command("export").stdout.splitlines()
    command("delete", "--thread", thread, "--yes")
    new = json.loads(lines[0]) | {"id": "thr_moved", "user_id": "sub-of-ada"}
    item = json.loads(lines[1])
    item["item"] |= {"thread_id": "thr_moved", "id": "msg_moved"}
    broken = json.loads(json.dumps(item))
    del broken["item"]["created_at"]
    broken["item"]["content"][0]["text"] = "A secret"
    file = place / "moved.jsonl"
    file.write_text("\n".join(["", *map(json.dumps, (new, item, broken)), "{"]))
    options = ("import", str(file), "--issuer", "https://issuer.example")

    refused = command(*options)
    kept = command(*options, "--keep-good")
    found = json.loads(command("show", "--json").stdout)

    for done in (refused, kept):
        assert done.returncode == 1
        assert "line 4: item.created_at: Field required" in done.stderr
        assert "line 5: it is not JSON" in done.stderr
        assert "secret" not in done.stderr
    assert "nothing was written; --keep-good takes the others in" in refused.stderr
    assert refused.stdout == ""
    assert "1 chats, 1 items" in kept.stdout
    ids = token_user("https://issuer.example", "sub-of-ada")
    assert [(one["id"], one["user_id"]) for one in found] == [("thr_moved", ids)]


def test_long_lines_are_taken_in_a_few_at_a_time(tmp_path: Path) -> None:
    file = tmp_path / "chats.jsonl"
    file.write_text("".join(f"{'x' * size}\n" for size in [1_500_000] * 7 + [1] * 250))

    batches = [len(lines) for lines in _Reading(file, None, undelete=False)._batches(None)]

    assert batches == [3, 3, 200, 51]


def test_deleted_chats_come_back_from_an_export_when_asked_for(
    command: Any, ada: Client, place: Path
) -> None:
    thread = ada.ask(NEON).thread_id
    file = place / "chats.jsonl"
    command("export", "--output", str(file))
    deleted = command("delete", "--thread", thread, "--yes")

    stays = command("import", str(file))
    back = command("import", str(file), "--undelete")

    assert deleted.stdout == "1 chats were deleted.\n"
    assert "0 chats, 0 items" in stays.stdout
    assert "1 chats, 2 items" in back.stdout
    assert len(ada.items(thread)) == 2


def test_old_chats_are_purged_with_their_files(
    command: Any, start_server: StartServer, database_url: str, tmp_path: Path
) -> None:
    files = tmp_path / "files"
    with start_server(attachments=str(files), secret=SECRET) as url:
        ada = Client(url)
        old = ask_about(ada, NEON, upload(ada, PNG)).thread_id
        new = ask_about(ada, NEON, upload(ada, PNG)).thread_id
        age(database_url, old, 91)

        looked = command("purge", "--older-than", "90d", "--dry-run")
        alone = command("purge", "--older-than", "90d")
        both = [thread["id"] for thread in ada.threads()]
        purged = command(
            "purge", "--yes", CHATKIT_RETENTION_DAYS="90", CHATKIT_ATTACHMENTS=str(files),
            CHATKIT_SECRET=SECRET,
        )  # fmt: skip

        assert looked.stdout == "1 chats would be deleted. Nothing was.\n"
        assert alone.returncode == 1
        assert "add --yes to delete, or --dry-run to look" in alone.stderr
        assert both == [new, old]
        assert purged.stdout == "1 chats were deleted. 1 files were removed.\n", purged.stderr
        assert [thread["id"] for thread in ada.threads()] == [new]
        assert len(list(files.iterdir())) == 1


def test_everything_of_a_user_is_deleted(
    command: Any, start_server: StartServer, database_url: str, tmp_path: Path
) -> None:
    files = tmp_path / "files"
    with start_server(attachments=str(files), secret=SECRET) as url:
        ada, bob = Client(url), Client(url)
        ask_about(ada, NEON, upload(ada, PNG))
        upload(ada, PNG)
        bobs = ask_about(bob, NEON, upload(bob, PNG)).thread_id

        gone = command("delete", "--user", user(ada), "--yes")

        assert gone.stdout.startswith("1 chats were deleted. Their files are removed by a server")
        assert ada.threads() == []
        assert [thread["id"] for thread in bob.threads()] == [bobs]
        with psycopg.connect(database_url) as connection:
            left = connection.execute(
                "select deleted, count(*) from chatkit.attachments group by 1 order by 1"
            ).fetchall()
        assert left == [(False, 1), (True, 2)]


def test_a_user_is_named_by_the_subject_of_their_tokens(command: Any, database_url: str) -> None:
    issuer = "https://issuer.example"
    signed_in = {"CHATKIT_JWT_ISSUER": issuer, "CHATKIT_JWT_SECRET": "s" * 32}
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "insert into chatkit.threads (id, user_id, created_at) values ('thr_1', %s, now())",
            (token_user(issuer, "ada"),),
        )

    shown = command("show", "--subject", "ada", "--json", **signed_in)
    without = command("show", "--subject", "ada")

    assert [one["id"] for one in json.loads(shown.stdout)] == ["thr_1"]
    assert "--subject needs CHATKIT_JWT_ISSUER" in without.stderr


OTHER_STORE = """
    create table chats (id int primary key, user_sub text, created_at timestamptz, title text);
    create table messages (
        id int primary key, chat_id int, role text, text text, created_at timestamptz
    );
    insert into chats values
        (7, 'ada', '2025-01-02 03:04:05+01', 'Löwe "x"'), (8, 'ada', '2024-05-05 00:00:00Z', null);
    insert into messages values
        (2, 7, 'assistant', E'Because\\n\\\\ so.', '2025-01-02 03:04:09+01'),
        (1, 7, 'user', 'Why?', '2025-01-02 03:04:05+01'),
        (3, 8, 'user', 'And?', '2025-01-02 03:04:05+01');
"""


def test_the_queries_of_the_docs_move_chats_from_another_store(
    command: Any, database_url: str, place: Path, database_server: Any, start_server: StartServer
) -> None:
    with database_server.fresh_database("template1") as name:
        other = database_server.database(name)
        with psycopg.connect(other, autocommit=True) as connection:
            connection.execute(OTHER_STORE.encode())
        script = documented("bash", "psql")
        for query in ("chats.sql", "messages.sql"):
            (place / query).write_text(documented("sql", query))
        done = subprocess.run(
            ["sh", "-ec", script],
            cwd=place,
            env={
                **os.environ,
                "OTHER_DATABASE": other,
                "PATH": f"{_find_programs()}:/usr/bin:/bin",
            },
            capture_output=True,
            text=True,
        )
    assert (done.returncode, done.stderr) == (0, "")
    # As a reader who signs in finds them.
    secret, issuer = "a secret of the tests, long enough", "https://login.example.com/"

    imported = command("import", "chats.jsonl", "--issuer", issuer)

    assert imported.stdout.startswith("2 chats, 3 items"), imported.stderr
    token = jwt.encode({"iss": issuer, "sub": "ada", "exp": time.time() + 3600}, secret)
    with start_server(jwt_secret=secret, jwt_issuer=issuer) as url:
        headers = {"Authorization": f"Bearer {token}"}

        def ask(kind: str, **params: Any) -> list[dict[str, Any]]:
            body = {"type": kind, "params": params}
            response = httpx.post(f"{url}/chatkit", json=body, headers=headers)
            return list(response.json()["data"])

        listed = ask("threads.list", order="desc")
        assert [(one["id"], one.get("title")) for one in listed] == [
            ("thr_7", 'Löwe "x"'), ("thr_8", None),
        ]  # fmt: skip
        said = ask("items.list", thread_id="thr_7", order="asc")
        assert [item["content"][0]["text"] for item in said] == ["Why?", "Because\n\\ so."]


def documented(language: str, having: str) -> str:
    """The only block of that language in the page on data that has this in its head or text."""
    blocks = re.findall(rf"^```{language}(.*?)^```$", DOCS.read_text(), re.MULTILINE | re.DOTALL)
    [found] = [block for block in blocks if having in block]
    return str(found.partition("\n")[2])


@pytest.mark.parametrize("answer", ["y\n", "n\n"])
def test_an_operator_at_a_terminal_is_asked(
    place: Path, ada: Client, database_url: str, answer: str
) -> None:
    thread = ada.ask(NEON).thread_id
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "threads", "delete", "--thread", thread],
        cwd=place,
        env={**os.environ, "DATABASE_URL": database_url},
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.write(ours, answer.encode())
    said, errors = process.communicate(timeout=240)
    os.close(ours)
    os.close(theirs)

    assert "Delete 1 chats for good? [y/N]:" in said
    agreed = answer == "y\n"
    assert process.returncode == (0 if agreed else 1)
    assert ("nothing was deleted" in errors) is not agreed
    assert (ada.threads() == []) is agreed


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("delete",), 1, "say whose chats by --user or --subject, or which by --thread"),
        (("purge",), 1, "say how old by --older-than"),
        (("purge", "--older-than", "90"), 2, "'90' is no age; write it like 90d, 12w or 36h"),
        (("import", "none.jsonl"), 2, "'none.jsonl' does not exist"),
        (("export", "--output", "no/such/file"), 1, "can't be written: No such file"),
        (("show", "--user", "a", "--subject", "b"), 1, "not by both"),
        (("delete", "--user", "", "--yes"), 1, "--user is empty; name a user"),
    ],
)
def test_what_can_not_be_done_is_said(
    command: Any, arguments: tuple[str, ...], code: int, said: str
) -> None:
    done = command(*arguments)

    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
