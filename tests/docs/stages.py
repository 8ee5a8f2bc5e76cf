"""What a page's commands find when they begin: files, a server, stand-ins for what it names."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from tests.docs.blocks import read_blocks
from tests.docs.session import Session, open_session
from tests.docs.stand_ins import SITE, StandIns
from tests.fixtures.app import DOCS
from tests.fixtures.files import PNG
from tests.named import ROOT

FLAGS = """\
# Flags

## Dates

Switch a flag on next Monday at nine by a schedule.

## Rename a flag

Rename a flag, or a thread, with `lantern rename`.
"""
FILES = {f"docs/{name}": text for name, text in DOCS.items()} | {
    "docs/intro.md": "# Intro\n\nWhere do I begin? Begin with the binary, on Linux and Windows.\n",
    "docs/guides/flags.md": FLAGS,
    "docs/schedules.md": "# Schedules\n\nA schedule switches a flag on or off at a date.\n",
    "docs/flags.md": FLAGS,
    "blog/2026-11-01-hello.md": "# Hello\n\nLantern is out, with flags for small teams.\n",
    "versioned_docs/version-1.0/intro.md": "# Intro\n\nThe first version knew three flags.\n",
    "api-docs/client.md": "# Client\n\n## open(path)\n\nOpens the flags. Raises `FlagError`.\n",
    "server.log": "ERROR the port is taken: 5432\n",
    "package.json": json.dumps({"private": True, "scripts": {"build": "cp -r html build"}}),
    **{f"html/{name}": text.replace("{url}", "") for name, text in SITE.items()},
    **{f"build/{name}": text.replace("{url}", "") for name, text in SITE.items()},
}


@dataclass(frozen=True, slots=True)
class Stage:
    clone: bool = False
    """Whether the page is read in a clone of the repository."""
    before: str = ""
    """Run before the page's first block: what it takes for granted."""
    replaced: Callable[[StandIns], dict[str, str]] | None = None
    """Stand-ins, by what the page writes."""
    environment: Callable[[StandIns], dict[str, str]] | None = None
    patience: float = 180.0
    settings: frozenset[str] = frozenset()
    """Those of its settings that the commands which follow are to have; `.env` keeps them."""
    files: dict[str, str] = field(default_factory=dict)
    ahead: dict[str, str] = field(default_factory=dict)
    """Run before the block that has a text: what the page says in its sentences."""
    left: dict[str, str] = field(default_factory=dict)
    """Commands of blocks that run otherwise, each with the reason why it does not."""


INDEXED = "chatkit-server index docs --base-url /docs --quiet"
SERVED = f"{INDEXED}\nchatkit-server serve"
# Nobody is there to be asked.
_DELETE = "chatkit-server threads delete --yes"
_TAKE_IN = """
for id in thr_1 thr_2; do
  echo '{"type":"thread","id":"'$id'","user_id":"auth0|1234","created_at":"2026-11-20T12:00:00Z"}'
done > two.jsonl
chatkit-server threads import two.jsonl --issuer https://login.example.com/
"""
SIGN = "0123456789abcdef0123456789abcdef"


def curl_functions() -> str:
    """`ask`, as the endpoints' page defines it; other pages refer to it."""
    blocks = read_blocks(ROOT / "web/site/docs/endpoints.md")
    return next(block.text for block in blocks if "ask()" in block.text)


def _website(stand_ins: StandIns) -> dict[str, str]:
    url = stand_ins.website()
    return {"https://docs.example.org": url, "https://deploy-42.preview.example": url}


def _neon(stand_ins: StandIns) -> dict[str, str]:
    dsn = stand_ins.database()
    name = urlsplit(dsn).path.removeprefix("/")
    neon = "postgresql://user:password@ep-example{}.eu-central-1.aws.neon.tech/neondb?{}"
    query = "sslmode=require&channel_binding=require"
    return {
        neon.format("-pooler", query): dsn,
        neon.format("", query): dsn,
        "postgresql://chatkit:password@db.internal:5432/chatkit": dsn,
        "database neondb": f"database {name}",
    }


def _scripted(stand_ins: StandIns) -> dict[str, str]:
    return {
        "OPENAI_BASE_URL": stand_ins.model(),
        "OPENAI_API_KEY": "none",
        "CHATKIT_MODEL": "scripted",
        "CHATKIT_MODEL_API": "responses",
        "OPENAI_AGENTS_DISABLE_TRACING": "1",
    }


def _qdrant(stand_ins: StandIns) -> dict[str, str]:
    cloud = "https://xyz-example.eu-central-1-0.aws.cloud.qdrant.io:6333"
    return dict.fromkeys([cloud, "http://localhost:6333"], stand_ins.qdrant())


STAGES: dict[str, Stage] = {
    "README.md": Stage(
        clone=True,
        patience=1800,
        replaced=lambda _: {
            " chat/bin/chatkit-server serve": " background installed http://127.0.0.1:8000/healthz"
            " chat/bin/chatkit-server serve",
        },
        left={"make test": "CI runs it beside this"},
    ),
    "CONTRIBUTING.md": Stage(clone=True, patience=1800),
    "getting-started.md": Stage(
        clone=True,
        patience=1800,
        replaced=lambda stand_ins: {
            "http://localhost:11434/v1": stand_ins.model(),
            "https://docs.example.org": stand_ins.website(),
        },
        # "Your own docs" are not in the clone.
        ahead={"chatkit-server index docs": 'cd "$HOME/my-site"'},
    ),
    "attachments.md": Stage(
        before=f"CHATKIT_ATTACHMENTS=$PWD/files CHATKIT_SECRET={SIGN} chatkit-server serve\n"
        f"{curl_functions()}",
    ),
    "data.md": Stage(
        environment=lambda stand_ins: {
            **dict.fromkeys(["DATABASE_URL", "DATABASE_URL_UNPOOLED"], stand_ins.database()),
            "CHATKIT_JWT_ISSUER": "https://login.example.com/",
            "CHATKIT_JWT_SECRET": SIGN,
            "CHATKIT_ALLOW_ANONYMOUS": "1",
        },
        replaced=lambda _: {
            "chatkit-server threads delete": _DELETE,
            "thr_01a1fbbe967a77f41eecf613c2ce4326": "thr_2",
            # The page's own lines, whose user is the one that its commands name.
            "jwt_9f86…": "auth0|1234",
        },
        before=f"{SERVED}\n{curl_functions()}\nUSER_ID=nobody OTHER_DATABASE=$DATABASE_URL\n"
        "mkdir -p files backup",
        ahead={
            "threads delete": _TAKE_IN,
            "chats.jsonl --issuer": "sed s/thr_/thr_old_/ two.jsonl > chats.jsonl",
            "from chats": 'psql -q "$DATABASE_URL" -c "create table chats (id int, user_sub text, '
            "created_at timestamptz, title text); create table messages (id int, chat_id int, "
            'role text, text text, created_at timestamptz)"',
            "tar -czf": "env -u DATABASE_URL -u DATABASE_URL_UNPOOLED chatkit-server migrate",
            "pg_restore": 'psql -q "$DATABASE_URL" -c "drop schema chatkit cascade"',
        },
    ),
    "endpoints.md": Stage(before=SERVED),
    "evaluate.md": Stage(before=INDEXED),
    "identity-and-security.md": Stage(
        environment=lambda stand_ins: {"DATABASE_URL": stand_ins.database()},
        before="SECRET=$(openssl rand -hex 32)\nchatkit-server migrate",
        replaced=lambda _: {"chatkit-server threads delete": _DELETE},
    ),
    "indexing.md": Stage(replaced=_website, environment=lambda _: {"PREVIEW_TOKEN": "token"}),
    "limits.md": Stage(
        environment=lambda stand_ins: {"DATABASE_URL": stand_ins.database()}, before=SERVED
    ),
    "docusaurus.md": Stage(clone=True, patience=1800),
    "neon.md": Stage(
        replaced=_neon,
        environment=lambda stand_ins: {"OTHER_DATABASE_URL": stand_ins.database()},
        settings=frozenset({"DATABASE_URL", "DATABASE_URL_UNPOOLED"}),
        before=INDEXED,
        ahead={"localhost:8000/readyz": "chatkit-server serve"},
    ),
    "operations.md": Stage(before=INDEXED),
    "other-sites.md": Stage(
        before=SERVED, replaced=lambda _: {"https://chat.example.com": "http://localhost:8000"}
    ),
    "qdrant.md": Stage(
        replaced=_qdrant,
        environment=lambda stand_ins: (
            {"OPENAI_BASE_URL": stand_ins.embeddings()} | {"CHATKIT_MODEL": "hashed"}
        ),
        settings=frozenset({"QDRANT_URL", "QDRANT_API_KEY"}),
    ),
    "store-conformance.md": Stage(
        before="DATABASE_URL='postgresql://localhost/chatkit_test' chatkit-server migrate",
        replaced=lambda stand_ins: {
            "postgresql://localhost/chatkit_test": stand_ins.database(),
            # Of the repository's own settings for tests nothing holds for a reader.
            "pytest test_my_store.py": '"$STAGE_PYTHON" -m pytest -q test_my_store.py',
        },
        files={"my_app/store.py": "from chatkit_stores import PostgresStore as MyStore\n"},
    ),
    "moving.md": Stage(
        environment=_scripted,
        before=INDEXED,
        replaced=lambda stand_ins: {
            f"python {name}": f"OPENAI_BASE_URL={hosted} python {name}"
            for hosted in [stand_ins.hosted()]
            for name in ("files.py", "hosted.py")
        },
        # The same threads cannot belong to somebody else as well.
        ahead={"hosted.py --visitors": "export CHATKIT_DATA_DIR=other\nchatkit-server migrate"},
    ),
    "tools.md": Stage(environment=_scripted, before=INDEXED),
    "troubleshooting.md": Stage(before=SERVED),
    "widgets.md": Stage(environment=_scripted, before=INDEXED),
    "your-own-app.md": Stage(
        environment=lambda stand_ins: {
            **_scripted(stand_ins),
            "DATABASE_URL": stand_ins.database(),
        },
        before=INDEXED,
    ),
    "watching.md": Stage(before=INDEXED),
}


@contextmanager
def on_stage(
    page: Path, stage: Stage, stand_ins: StandIns, clone: Path | None
) -> Iterator[Session]:
    """A session with what the page's stage has, ready for its first block."""
    replaced = stage.replaced(stand_ins) if stage.replaced else {}
    replaced |= {command: f"true {command}" for command in stage.left}
    environment = stage.environment(stand_ins) if stage.environment else {}
    with open_session(
        clone=clone if stage.clone else None, replaced=replaced, environment=environment
    ) as session:
        if not stage.clone:
            for name, text in {**FILES, **stage.files}.items():
                session.write(name, text)
            (session.work / "shot.png").write_bytes(PNG)
        else:
            site = Path(session.environment["HOME"]) / "my-site"
            site.mkdir()
            for name, text in FILES.items():
                (site / name).parent.mkdir(parents=True, exist_ok=True)
                (site / name).write_text(text)
        if stage.before:
            done = session.run(stage.before)
            if done.status:
                raise RuntimeError(f"the stage of {page.name} does not stand:\n{done.output}")
        yield session
