"""A wrong setting names itself, its value unless secret, and the fix."""

import re
from pathlib import Path
from typing import get_args

import pytest

from chatkit_server.errors import SettingsError
from chatkit_server.search import open_passages
from chatkit_server.settings import Settings, read_settings
from chatkit_server.values import Language
from chatkit_server.variables import variable
from chatkit_tools.lexical import Lexical

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, field in Settings.model_fields.items():
        monkeypatch.delenv(variable(name, field), raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("PORT", "80000", "PORT is '80000'"),
        ("CHATKIT_MODEL_API", "rest", "'responses' or 'chat'"),
        ("CHATKIT_ALLOWED_ORIGINS", "docs.acme.io", "write it like https://docs.acme.io"),
        ("CHATKIT_TOOLS", "my tools", "package.module:attribute"),
        ("QDRANT_URL", "localhost:6333", "http:// or https://"),
        ("CHATKIT_TRUSTED_PROXIES", "nginx", "'nginx' is no address or network"),
        ("CHATKIT_TRUSTED_PROXIES", "*", "'*' is no address or network"),
        ("CHATKIT_TRUSTED_PROXIES", "10.0.0.1, ::/0", "'::/0' would let everybody choose"),
        ("CHATKIT_VISITOR_MESSAGES", "many", "write it like '20/minute; 200/hour', or 'off'"),
        ("CHATKIT_ADDRESS_MESSAGES", "0/minute", "refuses everybody"),
        ("REDIS_URL", "localhost:6379", "redis://, rediss:// or unix://"),
        ("CHATKIT_LANGUAGE", "klingon", "CHATKIT_LANGUAGE is 'klingon'"),
        ("OPENAI_BASE_URL", "http://localhost:11434/v1", "CHATKIT_MODEL is not set"),
        ("CHATKIT_COLLECTION_TEXT", "metadata..text", "'metadata..text' is no path"),
        ("CHATKIT_COLLECTION_URL", "url", "CHATKIT_COLLECTION_TEXT is not set"),
        ("CHATKIT_COLLECTION_FILTER", "{must: []}", "no JSON"),
        ("CHATKIT_COLLECTION_FILTER", '{"public": true}', "write it as Qdrant does"),
        ("CHATKIT_COLLECTION_BASE_URL", "docs.acme.io", "CHATKIT_COLLECTION_BASE_URL is"),
        ("CHATKIT_EMBEDDING_MODEL", "minilm", "needs OPENAI_API_KEY or OPENAI_BASE_URL"),
        ("CHATKIT_RERANK_MODEL", "rerank-v3.5", "needs CHATKIT_RERANK_URL to call"),
        ("CHATKIT_RERANK_URL", "api.jina.ai/v1/rerank", "http:// or https://"),
        ("QDRANT_URL", "http://", "names no host"),
        ("QDRANT_URL", "http://qdrant:http", "QDRANT_URL is 'http://qdrant:http': port could not"),
        ("AWS_ENDPOINT_URL", "http://my host", "names no host"),
        ("CHATKIT_JWT_JWKS_URL", "https:///keys", "names no host"),
        ("CHATKIT_PUBLIC_URL", "https://chat:https", "port could not"),
        ("CHATKIT_ALLOWED_ORIGINS", "https://docs.acme.io:web", "port could not"),
        ("CHATKIT_ALLOWED_ORIGINS", "https://me@docs.acme.io", "is not an origin"),
        ("CHATKIT_ATTACHMENTS", "s3:/bucket", "an address like s3://bucket/prefix"),
        ("CHATKIT_KEEP_ALIVE", "60", "less than or equal to 50"),
        ("CHATKIT_DATA_DIR", "~/chatkit", "write the whole path"),
        ("CHATKIT_ATTACHMENTS", "~/files", "write the whole path"),
        ("CHATKIT_METRICS_PORT", "8000", "CHATKIT_METRICS_PORT and PORT are both 8000"),
        ("CHATKIT_SITE_DIR", "x" * 300, "it can't be read: File name too long"),
    ],
)
def test_a_wrong_setting_names_itself_and_the_fix(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError, match=re.escape(said)):
        read_settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mysql://ada:hunter2@db/docs"),
        ("CHATKIT_JWT_SECRET", "hunter2"),
        ("REDIS_URL", "http://:hunter2@cache:6379"),
        ("OPENAI_API_KEY", "\u201chunter2\u201d"),
        ("QDRANT_API_KEY", "hunter2\nQDRANT_URL=x"),
        ("QDRANT_URL", "https://ada:hunter2/3@qdrant.acme.io"),
        ("CHATKIT_JWT_SECRET", "-----BEGIN PRIVATE KEY-----hunter2-----END PRIVATE KEY-----"),
    ],
)
def test_a_wrong_secret_is_not_repeated(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError) as raised:
        read_settings()

    assert name in str(raised.value)
    assert "hunter2" not in str(raised.value)


def test_a_reranker_is_a_service_or_a_model_that_runs_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CHATKIT_RERANK_MODEL", "fastembed:Xenova/ms-marco-MiniLM-L-6-v2")
    assert read_settings().rerank_url is None

    monkeypatch.setenv("CHATKIT_RERANK_URL", "http://localhost:8080/rerank")
    with pytest.raises(SettingsError, match="keep one"):
        read_settings()


@pytest.mark.parametrize("name", ["CHATKIT_RERANK_MODEL", "CHATKIT_EMBEDDING_MODEL"])
async def test_a_model_that_fastembed_does_not_have_is_named_with_its_setting(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "fastembed:nothing/like-it")

    with pytest.raises(SettingsError, match=f"{name} is 'fastembed:nothing/like-it': .* it has "):
        async with open_passages(read_settings()):
            pass


def test_an_error_does_not_print_the_other_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-hunter2")
    monkeypatch.setenv("CHATKIT_JWT_SECRET", "x" * 32)

    with pytest.raises(SettingsError) as raised:
        read_settings()

    assert str(raised.value).startswith("CHATKIT_JWT_ISSUER is not set")
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_lines_end_is_no_part_of_a_value(monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", f"sk-1{end}")
    monkeypatch.setenv("CHATKIT_DATA_DIR", f"/data{end}")
    settings = read_settings()

    assert settings.openai_api_key is not None
    assert settings.openai_api_key.get_secret_value() == "sk-1"
    assert settings.data_dir == Path("/data")


@pytest.mark.parametrize(
    "place",
    [
        "deploy/nginx.conf",
        "deploy/kubernetes/service.yaml",
        "web/site/docs/operations.md",
        "web/site/docs/scaling.md",
    ],
)
def test_no_proxy_of_ours_ends_a_stream_that_is_silent(place: str) -> None:
    [limit] = re.findall(r'proxy[_-]read[_-]timeout:? "?(\d+)', (ROOT / place).read_text())

    with pytest.raises(SettingsError, match="CHATKIT_KEEP_ALIVE"):
        read_settings({"keep_alive": limit})


def test_lists_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATKIT_ALLOWED_ORIGINS", "https://docs.acme.io, http://localhost:3000")

    assert read_settings().allowed_origins == ("https://docs.acme.io", "http://localhost:3000")


def test_paths_into_a_payload_are_separated_by_commas(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        "CHATKIT_COLLECTION_TEXT=page_content\n"
        'CHATKIT_COLLECTION_HEADING="metadata.Header 2, metadata.Header 3"\n'
        "CHATKIT_COLLECTION_TITLE='metadata.\"a, b.c\"'\n"
        'CHATKIT_COLLECTION_FILTER={"must": [{"key": "public", "match": {"value": true}}]}\n'
    )

    settings = read_settings()

    assert settings.collection_text == ("page_content",)
    assert settings.collection_heading == ("metadata.Header 2", "metadata.Header 3")
    assert settings.collection_title == ('metadata."a, b.c"',)
    assert settings.collection_filter["must"][0]["match"] == {"value": True}


def test_the_env_file_is_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("CHATKIT_SITE_NAME=Acme\nPORT=9000\n")

    settings = read_settings()

    assert (settings.site_name, settings.port) == ("Acme", 9000)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_an_env_file_that_is_no_text_is_named(encoding: str) -> None:
    Path(".env").write_text("CHATKIT_SITE_NAME=Café\n", encoding=encoding)

    with pytest.raises(SettingsError, match=r"'\.env' holds no text in UTF-8; save it as such"):
        read_settings()


def test_origins_are_compared_as_browsers_write_them(monkeypatch: pytest.MonkeyPatch) -> None:
    given = "https://Docs.Acme.io:443, http://localhost:3000, http://[::1]:80"
    monkeypatch.setenv("CHATKIT_ALLOWED_ORIGINS", given)

    assert read_settings().allowed_origins == (
        "https://docs.acme.io", "http://localhost:3000", "http://[::1]",
    )  # fmt: skip


def test_a_model_is_on_with_a_key_or_a_server_of_ones_own() -> None:
    assert not read_settings().model_on
    assert not read_settings({"openai_api_key": "sk-1"}).chat_completions
    own = read_settings({"openai_base_url": "http://localhost:11434/v1", "model": "qwen3"})
    assert own.model_on
    assert own.chat_completions


def test_visitors_are_welcome_unless_tokens_are_configured() -> None:
    token = {"jwt_secret": "x" * 32, "jwt_issuer": "https://id.example"}

    assert read_settings().anonymous
    assert not read_settings(token).anonymous
    assert read_settings({**token, "allow_anonymous": True}).anonymous


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("tool", "there is no setting 'tool'; did you mean 'tools'?"),
        ("site_nam", "there is no setting 'site_nam'; did you mean 'site_name'?"),
        ("CHATKIT_TOOLS", "there is no setting 'CHATKIT_TOOLS'; did you mean 'tools'?"),
        ("DATABASE_URL", "there is no setting 'DATABASE_URL'; did you mean 'database_url'?"),
        ("colour", "there is no setting 'colour'; their names are those of the variables"),
    ],
)
def test_a_setting_that_is_none_is_refused_from_python(given: str, said: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(said)) as raised:
        read_settings({given: "hunter2", "site_name": "Acme"})

    assert "hunter2" not in str(raised.value)


def test_every_setting_is_in_the_example_and_in_the_docs() -> None:
    variables = {variable(name, field) for name, field in Settings.model_fields.items()}
    example = (ROOT / ".env.example").read_text()
    page = (ROOT / "web/site/docs/configuration.md").read_text()

    assert set(re.findall(r"^#? ?([A-Z][A-Z_]+)=", example, re.MULTILINE)) == variables
    assert {
        name for name in re.findall(r"`([A-Z][A-Z_]+)`", page) if name in variables
    } == variables


def test_the_docs_give_the_defaults_that_there_are() -> None:
    page = (ROOT / "web/site/docs/configuration.md").read_text()
    told = dict(re.findall(r"^\| `([A-Z_]+)` \| (.*?) \|", page, re.MULTILINE))
    plain = {
        variable(name, field): field.default
        for name, field in Settings.model_fields.items()
        if isinstance(field.default, bool | int | float | str) and field.default != ""
    }
    assert len(plain) > 20

    wrong = {name: told[name] for name, default in plain.items() if not _says(told[name], default)}
    assert not wrong


def _says(told: str, default: object) -> bool:
    first = str(re.findall(r"`(.*?)`", told)[0])
    if isinstance(default, bool):
        return first in (str(int(default)), str(default).lower())
    return first == (f"{default:g}" if isinstance(default, float) else str(default))


@pytest.mark.parametrize("language", get_args(Language))
def test_the_search_knows_every_language(language: str) -> None:
    words = Lexical(language)

    assert words.tokens("kernel") == words.tokens("Kernel")
    assert len(words.tokens("kernel")) == 1
