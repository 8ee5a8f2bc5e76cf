"""Runs every test of the store twice: directly, and through a pooler in transaction mode."""

import os
import pwd
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.fixtures.postgres import DatabaseServer

PGBOUNCER = "/usr/sbin/pgbouncer"


@pytest.fixture(scope="session")
def pooler(database_server: DatabaseServer) -> Iterator[DatabaseServer]:
    """PgBouncer before the test server."""
    if not Path(PGBOUNCER).exists():
        pytest.fail(f"{PGBOUNCER} is missing: apt-get install pgbouncer")
    socket_dir = Path(parse_qs(urlsplit(database_server.dsn).query)["host"][0])
    folder = Path(tempfile.mkdtemp(prefix="chatkit-pooler-"))
    # Only the user as whom PostgreSQL runs reaches its socket, and PgBouncer refuses root.
    owner = socket_dir.stat()
    account = pwd.getpwuid(owner.st_uid)
    os.chown(folder, account.pw_uid, account.pw_gid)
    config = folder / "pgbouncer.ini"
    config.write_text(
        f"""
        [databases]
        * = host={socket_dir} port=5432 user=postgres
        [pgbouncer]
        pool_mode = transaction
        auth_type = any
        listen_addr =
        listen_port = 6432
        unix_socket_dir = {folder}
        default_pool_size = 5
        server_round_robin = 1
        ignore_startup_parameters = extra_float_digits
        """.replace("        ", "")
    )
    process = subprocess.Popen(
        [PGBOUNCER, str(config)],
        stderr=subprocess.PIPE,
        text=True,
        user=account.pw_uid if os.geteuid() == 0 else None,
        group=account.pw_gid if os.geteuid() == 0 else None,
    )
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if "process up" in line:
            break
    else:
        pytest.fail("PgBouncer did not start: " + "".join(said))
    # It logs each connection, and would stop at a full pipe.
    reader = threading.Thread(target=process.stderr.read)
    reader.start()
    try:
        yield DatabaseServer(f"postgresql://postgres@/postgres?host={folder}&port=6432")
    finally:
        process.terminate()
        process.wait()
        reader.join()
        process.stderr.close()
        shutil.rmtree(folder)


@pytest.fixture
def direct_url(database_server: DatabaseServer) -> Iterator[str]:
    with database_server.fresh_database("migrated") as name:
        yield database_server.database(name)


@pytest.fixture(params=["direct", "pooled"])
def database_url(request: pytest.FixtureRequest, direct_url: str) -> str:
    if request.param == "direct":
        return direct_url
    server: DatabaseServer = request.getfixturevalue("pooler")
    return server.database(urlsplit(direct_url).path.removeprefix("/"))
