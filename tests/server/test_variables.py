"""Secrets that lie in files: `NAME_FILE` in place of `NAME`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_type_hints

import pytest
from pydantic import SecretStr

from chatkit_server.diagnosis.access import check_settings
from chatkit_server.errors import SettingsError
from chatkit_server.settings import Settings, read_settings
from chatkit_server.variables import file_variables, variable
from tests.fixtures.command import run

ROOT = Path(__file__).parents[2]
FILES = file_variables(Settings.model_fields)
GOOD = {
    "DATABASE_URL": "postgresql://ada:hunter2@db/docs",
    "DATABASE_URL_UNPOOLED": "postgresql://ada:hunter2@db/docs?x=y",
    "REDIS_URL": "redis://:hunter2@cache:6379/0",
    "CHATKIT_JWT_JWKS_URL": "https://id.example/keys?key=hunter2",
}
SECRET = "hunter2-" * 8


@pytest.fixture(autouse=True)
def _own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    # Asked for by either key.
    monkeypatch.setenv("CHATKIT_JWT_ISSUER", "https://id.example")


def value_of(plain: str) -> str | None:
    settings = read_settings()
    names = (n for n, field in Settings.model_fields.items() if variable(n, field) == plain)
    value = getattr(settings, next(names))
    return value.get_secret_value() if isinstance(value, SecretStr) else value


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
@pytest.mark.parametrize(("name", "plain"), FILES.items())
def test_every_secret_can_lie_in_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, plain: str, end: str
) -> None:
    secret = GOOD.get(plain, f" {SECRET}")
    (tmp_path / "secret").write_bytes(f"{secret}{end}".encode())
    monkeypatch.setenv(name, str(tmp_path / "secret"))

    assert value_of(plain) == secret


def test_the_secrets_are_those_whose_values_are_never_shown_and_what_goes_with_them() -> None:
    types = get_type_hints(Settings)
    secret = {
        variable(name, field)
        for name, field in Settings.model_fields.items()
        if types[name] in (SecretStr, SecretStr | None)
    }

    assert set(FILES.values()) == secret | {"AWS_ACCESS_KEY_ID", "CHATKIT_JWT_JWKS_URL"}


def test_the_name_of_a_file_may_stand_in_the_env_file_beside_an_empty_value(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{SECRET}\n")
    (tmp_path / ".env").write_text("OPENAI_API_KEY=\nOPENAI_API_KEY_FILE=key\nQDRANT_API_KEY_FILE=")

    assert value_of("OPENAI_API_KEY") == SECRET
    assert value_of("QDRANT_API_KEY") is None


def test_options_win_over_files() -> None:
    given = {"database_url": "postgresql://localhost/x"}
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("DATABASE_URL_FILE", "/nowhere")
        assert read_settings(given).database_url == SecretStr(given["database_url"])


@pytest.mark.parametrize("env_file", [False, True])
def test_a_value_and_a_file_are_one_too_many(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, env_file: bool
) -> None:
    (tmp_path / "key").write_text(SECRET)
    monkeypatch.setenv("OPENAI_API_KEY_FILE", str(tmp_path / "key"))
    if env_file:
        (tmp_path / ".env").write_text("OPENAI_API_KEY=sk-hunter2\n")
    else:
        monkeypatch.setenv("OPENAI_API_KEY", "sk-hunter2")

    with pytest.raises(SettingsError) as raised:
        read_settings()

    assert str(raised.value) == "OPENAI_API_KEY and OPENAI_API_KEY_FILE are both set; keep one"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "no such file or directory; name a file that this process may read"),
        (b"", "it is empty; write the secret into it"),
        (b" \n", "it is empty; write the secret into it"),
        (b"hunter2\nOPENAI_API_KEY=hunter2\n", "it has several lines"),
        (b"hunter2\0", "signs that can't be seen"),
        (b"hunter2\xff", "no text in UTF-8"),
        (b"hunter2" * 10_000, "longer than 65,536 bytes"),
    ],
)
def test_a_file_that_can_not_be_used_is_named_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None, said: str
) -> None:
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setenv("CHATKIT_SECRET_FILE", str(path))

    with pytest.raises(SettingsError) as raised:
        read_settings()

    assert str(raised.value).startswith(f"CHATKIT_SECRET_FILE is {str(path)!r}: ")
    assert said in str(raised.value)
    assert "hunter2" not in str(raised.value).replace(str(path), "")


def test_a_folder_that_docker_made_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATKIT_SECRET_FILE", str(ROOT))

    with pytest.raises(SettingsError, match="it is a folder; Docker makes one"):
        read_settings()


def test_all_files_that_are_wrong_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL_FILE", "OPENAI_API_KEY_FILE"):
        monkeypatch.setenv(name, "/nowhere/secret")

    with pytest.raises(SettingsError) as raised:
        read_settings()

    assert [line.split()[0] for line in str(raised.value).splitlines()] == [
        "DATABASE_URL_FILE",
        "OPENAI_API_KEY_FILE",
    ]


def test_a_secret_in_place_of_a_path_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL_FILE", "postgresql://ada:hunter2@db/docs")

    with pytest.raises(SettingsError) as raised:
        read_settings()

    assert "DATABASE_URL_FILE is wrong: no such file" in str(raised.value)
    assert "hunter2" not in str(raised.value)


def test_what_a_file_holds_is_checked_like_a_value(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "dsn").write_text("mysql://ada:hunter2@db/docs\n")
    monkeypatch.setenv("DATABASE_URL_FILE", str(tmp_path / "dsn"))

    with pytest.raises(SettingsError) as raised:
        read_settings()

    assert "DATABASE_URL is wrong: it must start with postgres://" in str(raised.value)
    assert "hunter2" not in str(raised.value)


def test_doctor_says_what_comes_from_files_and_what_nothing_reads(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text(SECRET)
    monkeypatch.setenv("OPENAI_API_KEY_FILE", str(tmp_path / "key"))
    (tmp_path / ".env").write_text(f"CHATKIT_SECRET_FILE={tmp_path / 'key'}\n")
    [check] = check_settings()

    assert check.status == "ok"
    assert check.message == "The settings are valid; from files: OPENAI_API_KEY, CHATKIT_SECRET."

    monkeypatch.setenv("CHATKIT_SITE_NAME_FILE", str(tmp_path / "key"))
    [check] = check_settings()

    assert check.status == "warning"
    assert "nothing reads: CHATKIT_SITE_NAME_FILE" in check.message


def test_a_command_ends_with_the_sentence(tmp_path: Path) -> None:
    done = run(tmp_path, "migrate", DATABASE_URL_FILE="/run/secrets/there-is-none")

    assert done.returncode == 1
    assert done.stderr == (
        "chatkit-server: DATABASE_URL_FILE is '/run/secrets/there-is-none': no such file or "
        "directory; name a file that this process may read\n"
    )


def test_the_example_and_the_docs_name_every_file() -> None:
    example = (ROOT / ".env.example").read_text().partition("# ---")[0]
    page = (ROOT / "web/site/docs/configuration.md").read_text()
    section = page.partition("## Keep secrets in files")[2].partition("\n## ")[0]
    plain = set(FILES.values())

    assert plain == set(re.findall(r"\b[A-Z][A-Z_]+[A-Z]\b", example)) & plain
    assert set(re.findall(r"`([A-Z_]+_FILE)`", section)) == FILES.keys()
