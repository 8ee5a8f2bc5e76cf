"""What the environment decides."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from .errors import SettingsError
from .filetypes import TYPES, FileType
from .prices import TokenPrice, read_prices
from .variables import SecretFiles, is_secret, variable

Languages = Literal[
    "arabic", "danish", "dutch", "english", "finnish", "french", "german", "greek",
    "hungarian", "italian", "norwegian", "portuguese", "romanian", "russian", "spanish",
    "swedish", "tamil", "turkish", "none",
]  # fmt: skip
"""What the lexical search can stem; `none` leaves words as they are."""


FASTEMBED = "fastembed:"
"""In front of the name of a model that runs in this process."""

# Paths into a payload, several separated by commas.
Paths = Annotated[tuple[str, ...], NoDecode]

_FILTER_PARTS = frozenset({"must", "should", "must_not", "min_should"})

_USUAL_PORTS = {"http": ":80", "https": ":443"}

_PASSWORD = re.compile(r"[^\s'\"]+@")


class Settings(BaseSettings):
    """Read once at start; never changed afterwards."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_prefix="CHATKIT_",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        populate_by_name=True,
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        files = SecretFiles(settings_cls, init_settings, env_settings, dotenv_settings)
        return init_settings, env_settings, dotenv_settings, files

    # The usual names of the usual parts.
    database_url: SecretStr | None = Field(
        None,
        validation_alias="DATABASE_URL",
        description="Postgres for threads. Embedded Postgres in the data folder when unset.",
    )
    database_url_unpooled: SecretStr | None = Field(
        None,
        validation_alias="DATABASE_URL_UNPOOLED",
        description="For migrations, where DATABASE_URL leads through a pooler.",
    )
    qdrant_url: str | None = Field(
        None,
        validation_alias="QDRANT_URL",
        description="Qdrant server for the docs. The embedded engine when unset.",
    )
    qdrant_api_key: SecretStr | None = Field(
        None, validation_alias="QDRANT_API_KEY", description="Key for QDRANT_URL."
    )
    qdrant_collection: str = Field(
        "docs",
        validation_alias="QDRANT_COLLECTION",
        pattern=r"^[^/\\<>:\"|?*\x00-\x1f]{1,255}$",
        description="The collection that holds the passages.",
    )
    openai_api_key: SecretStr | None = Field(
        None, validation_alias="OPENAI_API_KEY", description="Turns a model on."
    )
    openai_base_url: str | None = Field(
        None,
        validation_alias="OPENAI_BASE_URL",
        description="Any OpenAI-compatible server (Ollama, vLLM, LiteLLM); turns a model on.",
    )
    redis_url: SecretStr | None = Field(
        None,
        validation_alias="REDIS_URL",
        description="Redis that counts for all replicas. Each process counts by itself when unset.",
    )
    port: int = Field(
        8000, ge=1, le=65535, validation_alias="PORT", description="Where `serve` listens."
    )

    # Where things are.
    embedded: bool = Field(
        True,
        description="Whether Postgres and the search engine may run embedded; not in the image.",
    )
    data_dir: Path = Field(
        Path(".chatkit"), description="Folder of the embedded Postgres and search engine."
    )
    journal_dir: Path | None = Field(
        None,
        description="Folder, on a disk that lasts, for what is said while the database is away. "
        "In the data folder with the embedded Postgres, else off.",
    )
    site_dir: Path | None = Field(None, description="A built site to serve at `/`.")
    site_url: str | None = Field(
        None,
        description="Origin of the docs site, put in front of site-relative links in citations.",
    )

    # The assistant.
    site_name: str = Field(
        "this site", max_length=200, description="How the assistant calls the docs."
    )
    instructions: str = Field(
        "", max_length=20_000, description="Added to the assistant's instructions."
    )
    model: str | None = Field(
        None, description="Model name; required with OPENAI_BASE_URL, else the Agents SDK's own."
    )
    models: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Other models that readers may choose for an answer, separated by commas."
    )
    rewrite_model: str | None = Field(
        None,
        description="A small, fast model of the same server that rewrites questions which lean on "
        "the conversation, for the search.",
    )
    model_api: Literal["responses", "chat"] | None = Field(
        None, description="`responses` or `chat`; `chat` when OPENAI_BASE_URL is set."
    )
    model_timeout: float = Field(
        60.0, gt=0, le=600, description="Seconds that the model may be silent."
    )
    agent: str | None = Field(
        None, description="An agent of your own, as `package.module:attribute`."
    )
    tools: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Tools of your own, as `package.module:attribute`, separated by commas."
    )
    embedding_model: str | None = Field(
        None,
        description="Adds dense vectors, made by `/v1/embeddings` of the OpenAI server, or in this "
        "process as `fastembed:NAME`.",
    )
    embedding_size: int | None = Field(
        None,
        ge=1,
        le=65_536,
        description="Asks for shorter vectors than the embedding model's own.",
    )
    rerank_url: str | None = Field(
        None, description="Address of a reranking service that orders the best passages anew."
    )
    rerank_model: str | None = Field(
        None,
        description="Model for CHATKIT_RERANK_URL, which Text Embeddings Inference does without; "
        "or one that runs in this process, as `fastembed:NAME`.",
    )
    rerank_api_key: SecretStr | None = Field(None, description="Key for CHATKIT_RERANK_URL.")
    language: Languages = Field("english", description="Language of the docs, for lexical search.")
    default_version: str | None = Field(
        None,
        description="Version of the docs for readers who are on none. The latest one when unset.",
    )
    default_locale: str | None = Field(
        None,
        description="Language of the docs for readers who are on none. The site's when unset.",
    )
    search_limit: int = Field(8, ge=1, le=50, description="Passages that one search returns.")
    own_answers: bool = Field(
        False, description="Takes a text of the reader's own where a form offers options."
    )
    history_tokens: int = Field(
        6000, ge=0, le=1_000_000, description="Budget for earlier messages of the thread."
    )

    # A collection that something else fills.
    collection_text: Paths = Field(
        (), description="Searches QDRANT_COLLECTION as something else filled it: field of the text."
    )
    collection_url: Paths = Field(
        (), description="Field of the page's address, or of its path below the base URL."
    )
    collection_title: Paths = Field(
        (), description="Field of the page's title. Made of the address when unset."
    )
    collection_heading: Paths = Field(
        (), description="Fields of the headings below the title, outermost first, by commas."
    )
    collection_anchor: Paths = Field(
        (), description="Field of the heading's fragment. Made of the heading when unset."
    )
    collection_version: Paths = Field((), description="Field of the version of the docs.")
    collection_locale: Paths = Field((), description="Field of the language of the page.")
    collection_vector: str | None = Field(
        None, description="Name of the dense vector; the only or unnamed one when unset."
    )
    collection_base_url: str = Field(
        "/",
        pattern=r"^(/|https?://)",
        description="Where the docs stand, for paths in place of addresses.",
    )
    collection_root: str = Field(
        "", description="What such paths begin with and addresses do not, such as /home/ci/docs."
    )
    collection_filter: Annotated[dict[str, Any], NoDecode] = Field(
        {}, description="Only points that pass it, as Qdrant's filter in JSON."
    )

    # Who may use it.
    allowed_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Origins of other sites that may call the server, separated by commas."
    )
    allow_anonymous: bool | None = Field(
        None, description="Visitors without a token; on unless a JWT key is configured."
    )
    jwt_secret: SecretStr | None = Field(
        None, min_length=32, description="Shared secret that verifies HS256 tokens."
    )
    jwt_jwks_url: str | None = Field(
        None, description="Key set that verifies RS256, ES256 and EdDSA tokens."
    )
    jwt_issuer: str | None = Field(
        None, description="The `iss` that a token must have; required with a JWT key."
    )
    jwt_audience: str | None = Field(None, description="The `aud` that a token must have.")

    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Addresses or networks of proxies whose X-Forwarded-For counts, by commas.",
    )
    hsts: int | None = Field(
        None,
        ge=0,
        description="Seconds for which browsers that came by https shall use it alone.",
    )

    # Files and dictation.
    attachments: str | None = Field(
        None, description="Where attached files lie: a folder, or s3://bucket/prefix."
    )
    attachment_types: Annotated[tuple[FileType, ...], NoDecode] = Field(
        TYPES, min_length=1, description="What may be attached, separated by commas."
    )
    max_attachments: int = Field(4, ge=1, le=10, description="Files that one message may have.")
    max_attachment_bytes: int = Field(
        10_000_000, ge=1, le=100_000_000, description="Largest attached file."
    )
    attachment_tokens: int = Field(
        8000, ge=0, le=1_000_000, description="Budget for the text files of a question."
    )
    secret: SecretStr | None = Field(
        None,
        min_length=32,
        description="Signs the addresses of files; made beside them when unset.",
    )
    public_url: str | None = Field(
        None, description="Where browsers reach the server, if a proxy hides it."
    )
    aws_access_key_id: str | None = Field(
        None, validation_alias="AWS_ACCESS_KEY_ID", description="Key for s3:// in attachments."
    )
    aws_secret_access_key: SecretStr | None = Field(
        None, validation_alias="AWS_SECRET_ACCESS_KEY", description="The key's secret."
    )
    aws_region: str | None = Field(
        None, validation_alias="AWS_REGION", description="The bucket's region."
    )
    aws_endpoint_url: str | None = Field(
        None,
        validation_alias="AWS_ENDPOINT_URL",
        description="Storage that speaks S3 and is not Amazon's.",
    )
    transcription_model: str | None = Field(
        None, description="Turns dictation on: a model for `/v1/audio/transcriptions`."
    )
    transcription_base_url: str | None = Field(
        None, description="OpenAI-compatible server for dictation; the model's when unset."
    )
    transcription_api_key: SecretStr | None = Field(
        None, description="Key for CHATKIT_TRANSCRIPTION_BASE_URL."
    )
    transcription_timeout: float = Field(
        30.0, gt=0, le=600, description="Seconds that a transcription may take."
    )
    max_audio_bytes: int = Field(
        5_000_000, ge=1024, le=25_000_000, description="Largest recording for dictation."
    )

    # Keeping and deleting.
    retention_days: int | None = Field(
        None,
        ge=1,
        le=36_500,
        description="Days after which a chat that nobody uses is deleted. For ever when unset.",
    )

    # Limits.
    visitor_messages: str = Field(
        "20/minute; 200/hour", description="Questions of one visitor, or `off`."
    )
    address_messages: str = Field(
        "60/minute; 600/hour", description="Questions from one address, or `off`."
    )
    visitor_requests: str = Field(
        "240/minute", description="Requests of any kind of one visitor, or `off`."
    )
    address_requests: str = Field(
        "1200/minute", description="Requests of any kind from one address, or `off`."
    )
    visitor_exports: str = Field(
        "6/minute; 60/day",
        description="How often one visitor may export or delete everything, or `off`.",
    )
    daily_tokens_per_visitor: int | None = Field(
        None, ge=1, description="Tokens of the model that one visitor may use in a day."
    )
    daily_tokens: int | None = Field(
        None, ge=1, description="Tokens of the model that all visitors may use in a day."
    )
    max_body_bytes: int = Field(
        262_144, ge=1024, le=100_000_000, description="Largest request body."
    )
    max_text_chars: int = Field(
        8000, ge=1, le=1_000_000, description="Longest question, in characters."
    )
    keep_alive: float = Field(
        15.0, gt=0, le=120, description="Seconds of silence before a comment keeps a stream open."
    )
    turn_timeout: float = Field(300.0, gt=0, le=3600, description="Seconds that one turn may take.")
    drain: float = Field(
        10.0, ge=0, le=600, description="Seconds that running answers get at shutdown."
    )

    # The running of it.
    migrate: Literal["auto", "off"] = Field(
        "auto", description="`auto` applies migrations at start."
    )
    pool_size: int = Field(
        10, ge=1, le=200, description="Connections to the database that each process may hold."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="What is logged."
    )
    log_format: Literal["auto", "json", "text"] = Field(
        "auto", description="`json`, or `text` for people; `auto` is text on a terminal."
    )
    log_questions: bool = Field(
        False, description="Adds the reader's question to the line that each turn writes."
    )
    metrics_port: int | None = Field(
        None, ge=1, le=65535, description="Serves metrics for Prometheus on a port of their own."
    )
    metrics_host: str = Field("127.0.0.1", description="Address that CHATKIT_METRICS_PORT is on.")
    token_prices: Annotated[Mapping[str, TokenPrice], NoDecode] = Field(
        {},
        description="What a million tokens cost, as MODEL=INPUT/OUTPUT by commas, for an estimate.",
    )

    @field_validator(
        "allowed_origins", "models", "tools", "trusted_proxies", "attachment_types", mode="before"
    )
    @classmethod
    def _split_list(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator(
        "collection_text", "collection_url", "collection_title", "collection_heading",
        "collection_anchor", "collection_version", "collection_locale", mode="before",
    )  # fmt: skip
    @classmethod
    def _split_paths(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        # A comma between double quotes is part of a name.
        paths = [path.strip() for path in re.findall(r'(?:"[^"]*"|[^",])+', value)]
        for path in filter(None, paths):
            if not re.fullmatch(r'(?:"[^"]+"|[^".]+)(?:\.(?:"[^"]+"|[^".]+))*', path):
                raise ValueError(
                    f"{path!r} is no path into a payload; write it like metadata.source, with "
                    "double quotes around a name that has a dot in it"
                )
        return tuple(filter(None, paths))

    @field_validator("collection_filter", mode="before")
    @classmethod
    def _read_filter(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            found = json.loads(value)
        except ValueError as error:
            raise ValueError(f"it is no JSON: {error}") from None
        if not isinstance(found, dict) or not found or set(found) - _FILTER_PARTS:
            raise ValueError(
                "write it as Qdrant does, like "
                '{"must": [{"key": "metadata.public", "match": {"value": true}}]}'
            )
        return found

    @field_validator("token_prices", mode="before")
    @classmethod
    def _read_prices(cls, value: object) -> object:
        return read_prices(value) if isinstance(value, str) else value

    @field_validator("allowed_origins")
    @classmethod
    def _check_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        origins = []
        for origin in value:
            parts = urlsplit(origin)
            more = parts.path + parts.query + parts.fragment
            if not _is_address(parts) or "@" in parts.netloc or more:
                raise ValueError(f"{origin!r} is not an origin; write it like https://docs.acme.io")
            # As browsers send it.
            host = parts.netloc.lower().removesuffix(_USUAL_PORTS[parts.scheme])
            origins.append(f"{parts.scheme}://{host}")
        return tuple(origins)

    @field_validator("trusted_proxies")
    @classmethod
    def _check_proxies(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        networks = []
        for text in value:
            try:
                network = ip_network(text, strict=False)
            except ValueError:
                raise ValueError(
                    f"{text!r} is no address or network; write it like 10.0.0.0/8"
                ) from None
            if network.prefixlen == 0:
                raise ValueError(f"{text!r} would let everybody choose their own address")
            networks.append(str(network))
        return tuple(networks)

    @field_validator(
        "visitor_messages", "address_messages", "visitor_requests", "address_requests",
        "visitor_exports",
    )  # fmt: skip
    @classmethod
    def _check_limit(cls, value: str) -> str:
        from limits import parse_many

        try:
            items = [] if value == "off" else parse_many(value)
        except ValueError:
            raise ValueError("write it like '20/minute; 200/hour', or 'off'") from None
        if any(item.amount < 1 for item in items):
            raise ValueError("a limit of 0 refuses everybody; write 'off' to have none")
        return value

    @field_validator("jwt_secret")
    @classmethod
    def _check_jwt_secret(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and value.get_secret_value().lstrip().startswith("-----BEGIN"):
            raise ValueError("a PEM key is no shared secret; serve it as CHATKIT_JWT_JWKS_URL")
        return value

    @field_validator("redis_url")
    @classmethod
    def _check_redis_url(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not re.match(r"(rediss?|unix)://", value.get_secret_value()):
            raise ValueError("it must start with redis://, rediss:// or unix://")
        return value

    @field_validator("site_url", "public_url")
    @classmethod
    def _check_site_url(cls, value: str | None) -> str | None:
        if value is not None and not _is_address(urlsplit(value)):
            raise ValueError(f"{value!r} is not a URL; write it like https://docs.acme.io")
        return value.rstrip("/") if value else value

    @field_validator("site_dir")
    @classmethod
    def _check_site_dir(cls, value: Path | None) -> Path | None:
        try:
            found = value is None or value.is_dir()
        except OSError as error:
            raise ValueError(f"it can't be read: {error.strerror}") from None
        if not found:
            raise ValueError("there is no such folder; build the site first")
        return value

    @field_validator("attachments")
    @classmethod
    def _check_attachments(cls, value: str | None) -> str | None:
        remote = value is not None and ("://" in value or value.startswith("s3:"))
        if remote and not re.fullmatch(r"s3://[^/\s]+(/.*)?", value or ""):
            raise ValueError("it must be a folder, or an address like s3://bucket/prefix")
        return value

    @field_validator("openai_base_url", "transcription_base_url", "rerank_url")
    @classmethod
    def _check_no_password(cls, value: str | None) -> str | None:
        # The client refuses it beside a key with each call, and there is always a key.
        if value is not None and "@" in urlsplit(value).netloc:
            raise ValueError("a user and a password in it are not sent; set the key instead")
        return value

    @field_validator(
        "openai_base_url", "qdrant_url", "jwt_jwks_url", "aws_endpoint_url",
        "transcription_base_url", "rerank_url",
    )  # fmt: skip
    @classmethod
    def _check_url(cls, value: str | None) -> str | None:
        if value is not None:
            parts = urlsplit(value)
            if parts.scheme not in _USUAL_PORTS:
                raise ValueError("it must start with http:// or https://")
            if not _is_address(parts):
                raise ValueError("it names no host; write it like https://host:8000")
        return value

    @field_validator("database_url", "database_url_unpooled")
    @classmethod
    def _check_dsn(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not re.match(r"postgres(ql)?://", value.get_secret_value()):
            raise ValueError("it must start with postgres:// or postgresql://")
        return value

    @field_validator("agent", "tools")
    @classmethod
    def _check_references(cls, value: Any) -> Any:
        for reference in (value,) if isinstance(value, str) else value or ():
            if not re.fullmatch(r"[\w.]+:\w+", reference):
                raise ValueError(f"{reference!r} is not of the form package.module:attribute")
        return value

    @model_validator(mode="after")
    def _check_together(self) -> Settings:
        if self.openai_base_url and not self.model:
            raise ValueError(
                "CHATKIT_MODEL is not set; with OPENAI_BASE_URL it must name a model of that server"
            )
        if self.models and not self.model_on:
            raise ValueError("CHATKIT_MODELS needs OPENAI_API_KEY or OPENAI_BASE_URL to call")
        if self.rewrite_model and not self.model_on:
            raise ValueError(
                "CHATKIT_REWRITE_MODEL needs OPENAI_API_KEY or OPENAI_BASE_URL to call"
            )
        if self.jwt_secret and self.jwt_jwks_url:
            raise ValueError("CHATKIT_JWT_SECRET and CHATKIT_JWT_JWKS_URL are both set; keep one")
        if (self.jwt_secret or self.jwt_jwks_url) and not self.jwt_issuer:
            raise ValueError("CHATKIT_JWT_ISSUER is not set; a JWT key needs the issuer it is for")
        if self.embedding_model and not (
            self.embedding_model.startswith(FASTEMBED)
            or self.openai_api_key
            or self.openai_base_url
        ):
            raise ValueError(
                "CHATKIT_EMBEDDING_MODEL needs OPENAI_API_KEY or OPENAI_BASE_URL to call, or a "
                f"model that runs here: {FASTEMBED}NAME"
            )
        reranks_here = (self.rerank_model or "").startswith(FASTEMBED)
        if self.rerank_model and not self.rerank_url and not reranks_here:
            raise ValueError(
                "CHATKIT_RERANK_MODEL needs CHATKIT_RERANK_URL to call, or a model that runs here: "
                f"{FASTEMBED}NAME"
            )
        if self.rerank_url and reranks_here:
            raise ValueError(
                "CHATKIT_RERANK_URL is set, and CHATKIT_RERANK_MODEL names a model that runs here; "
                "keep one"
            )
        if not self.collection_text:
            mapped = [
                variable(name, field)
                for name, field in type(self).model_fields.items()
                if name.startswith("collection_") and getattr(self, name) != field.default
            ]
            if mapped:
                raise ValueError(
                    f"CHATKIT_COLLECTION_TEXT is not set; {mapped[0]} is for a collection that "
                    "something else fills, and that one needs the field of the text"
                )
        if self.attachments and not self.files_dir and self.database_url and not self.secret:
            raise ValueError(
                "CHATKIT_SECRET is not set; with files in S3 every server must sign their "
                "addresses alike: set it to the same 32 or more random characters on each, "
                "such as `openssl rand -hex 32` prints"
            )
        if self.transcription_model and not (
            self.transcription_base_url or self.openai_api_key or self.openai_base_url
        ):
            raise ValueError(
                "CHATKIT_TRANSCRIPTION_MODEL needs a server to call: set "
                "CHATKIT_TRANSCRIPTION_BASE_URL, OPENAI_API_KEY or OPENAI_BASE_URL"
            )
        return self

    def check_embedded(self, *parts: Literal["database", "search"]) -> None:
        """Refuse to go on where a part would have to run embedded, and may not.

        Raises:
            SettingsError: a sentence for each part that is not named.
        """
        missing = {
            "database": self.database_url is None
            and "DATABASE_URL is not set; with CHATKIT_EMBEDDED off, as in the image, it must name "
            "a Postgres, like postgresql://user:password@host/database",
            "search": self.qdrant_url is None
            and "QDRANT_URL is not set; with CHATKIT_EMBEDDED off, as in the image, it must name a "
            "Qdrant server, like http://qdrant:6333",
        }
        found = [said for part in parts if (said := missing[part])]
        if found and not self.embedded:
            raise SettingsError("\n".join(found))

    def make_data_dir(self) -> None:
        """Make the data folder where there is none, for its owner alone."""
        try:
            self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsError(
                f"CHATKIT_DATA_DIR is {str(self.data_dir)!r}, which can't be made: "
                f"{error.strerror}; name a folder that you may write to"
            ) from None

    @property
    def files_dir(self) -> Path | None:
        """The folder that attached files lie in; None where they are in S3, or nowhere."""
        if self.attachments is None or self.attachments.startswith("s3://"):
            return None
        return Path(self.attachments)

    @property
    def journal_folder(self) -> Path | None:
        """Where the journal is; None where no folder is known to last."""
        if self.journal_dir is None and self.database_url is None:
            return self.data_dir / "journal"
        return self.journal_dir

    @property
    def model_on(self) -> bool:
        """Whether a model is configured; without one, answers quote the docs."""
        return self.openai_api_key is not None or self.openai_base_url is not None

    @property
    def chat_completions(self) -> bool:
        """Whether the model is called through Chat Completions rather than Responses."""
        return (self.model_api or ("chat" if self.openai_base_url else "responses")) == "chat"

    @property
    def jwt_on(self) -> bool:
        """Whether bearer tokens are verified."""
        return self.jwt_secret is not None or self.jwt_jwks_url is not None

    @property
    def anonymous(self) -> bool:
        """Whether a visitor's own secret is enough."""
        return self.allow_anonymous if self.allow_anonymous is not None else not self.jwt_on


def read_settings(values: Mapping[str, Any] | None = None) -> Settings:
    """Read environment, `.env` and files of secrets; `values` (by field name) win over all.

    Raises:
        SettingsError: naming each wrong setting, its value unless secret, and the fix.
    """
    given = values or {}
    # What begins with an underscore is for pydantic. Any other name would be passed over: the
    # environment is full of variables that are none of ours.
    unknown = [name for name in given if name not in Settings.model_fields and name[:1] != "_"]
    if unknown:
        raise SettingsError("\n".join(map(_correct, unknown)))
    try:
        return Settings(**given)
    except ValidationError as error:
        raise SettingsError(_explain(error, given)) from None
    except UnicodeDecodeError:
        raise SettingsError("'.env' holds no text in UTF-8; save it as such") from None
    except OSError as error:
        raise SettingsError(f"'.env' can't be read: {error.strerror}") from None


def _correct(name: str) -> str:
    from difflib import get_close_matches

    names = list(Settings.model_fields)
    meant = get_close_matches(name.removeprefix("CHATKIT_").lower(), names, 1, 0.8)
    hint = "their names are those of the variables, without CHATKIT_ and in small letters"
    return f"there is no setting {name!r}; {f'did you mean {meant[0]!r}?' if meant else hint}"


def _is_address(parts: SplitResult) -> bool:
    """Whether it names a host by http or https; `ValueError` where its port is none."""
    named = bool(parts.hostname) and not re.search(r"\s", parts.netloc)
    try:
        port = parts.port
    except ValueError:
        # Without the cause, which quotes what may be a piece of a password.
        raise ValueError("port could not be read; it is a number from 1 to 65535") from None
    return parts.scheme in _USUAL_PORTS and named and port != 0


def _explain(error: ValidationError, values: Mapping[str, Any]) -> str:
    lines = []
    for problem in error.errors(include_input=True, include_context=False, include_url=False):
        message = problem["msg"].removeprefix("Value error, ")
        if not problem["loc"]:
            lines.append(message)
            continue
        name = str(problem["loc"][0])
        field = Settings.model_fields.get(name.removeprefix("CHATKIT_").lower())
        field = field or next(
            (f for n, f in Settings.model_fields.items() if variable(n, f) == name), None
        )
        shown = name if field is None else variable(name.removeprefix("CHATKIT_").lower(), field)
        secret = field is not None and is_secret(field)
        # An address may hold a user and a password.
        found = f"is {_PASSWORD.sub('…@', repr(problem.get('input')))}"
        found = "is wrong" if secret else found
        hint = f" ({field.description})" if field is not None and field.description else ""
        lines.append(f"{shown} {found}: {_lower(message)}{hint}")
    return "\n".join(lines)


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]
