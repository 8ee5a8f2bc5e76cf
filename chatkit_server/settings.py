"""What the environment decides."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from . import values
from .complaints import correct, explain
from .errors import SettingsError
from .filetypes import TYPES
from .variables import SecretFiles, variable

FASTEMBED = "fastembed:"
"""In front of the name of a model that runs in this process."""


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
    database_url: values.PostgresUrl | None = Field(
        None,
        validation_alias="DATABASE_URL",
        description="Postgres for threads. Embedded Postgres in the data folder when unset.",
    )
    database_url_unpooled: values.PostgresUrl | None = Field(
        None,
        validation_alias="DATABASE_URL_UNPOOLED",
        description="For migrations, where DATABASE_URL leads through a pooler.",
    )
    qdrant_url: values.Url | None = Field(
        None,
        validation_alias="QDRANT_URL",
        description="Qdrant server for the docs. The embedded engine when unset.",
    )
    qdrant_api_key: values.Key | None = Field(
        None, validation_alias="QDRANT_API_KEY", description="Key for QDRANT_URL."
    )
    qdrant_collection: str = Field(
        "docs",
        validation_alias="QDRANT_COLLECTION",
        pattern=r"^[^/\\<>:\"|?*\x00-\x1f]{1,255}$",
        description="The collection that holds the passages.",
    )
    openai_api_key: values.Key | None = Field(
        None, validation_alias="OPENAI_API_KEY", description="Turns a model on."
    )
    openai_base_url: values.UrlWithoutPassword | None = Field(
        None,
        validation_alias="OPENAI_BASE_URL",
        description="Any OpenAI-compatible server (Ollama, vLLM, LiteLLM); turns a model on.",
    )
    redis_url: values.RedisUrl | None = Field(
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
    data_dir: values.Folder = Field(
        Path(".chatkit"), description="Folder of the embedded Postgres and search engine."
    )
    journal_dir: values.Folder | None = Field(
        None,
        description="Folder, on a disk that lasts, for what is said while the database is away. "
        "In the data folder with the embedded Postgres, else off.",
    )
    site_dir: values.SiteFolder | None = Field(None, description="A built site to serve at `/`.")
    site_url: values.SiteUrl | None = Field(
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
    models: values.Names = Field(
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
    agent: values.Reference | None = Field(
        None, description="An agent of your own, as `package.module:attribute`."
    )
    tools: values.References = Field(
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
    rerank_url: values.UrlWithoutPassword | None = Field(
        None, description="Address of a reranking service that orders the best passages anew."
    )
    rerank_model: str | None = Field(
        None,
        description="Model for CHATKIT_RERANK_URL, which Text Embeddings Inference does without; "
        "or one that runs in this process, as `fastembed:NAME`.",
    )
    rerank_api_key: values.Key | None = Field(None, description="Key for CHATKIT_RERANK_URL.")
    language: values.Language = Field(
        "english", description="Language of the docs, for lexical search."
    )
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
    collection_text: values.Paths = Field(
        (), description="Searches QDRANT_COLLECTION as something else filled it: field of the text."
    )
    collection_url: values.Paths = Field(
        (), description="Field of the page's address, or of its path below the base URL."
    )
    collection_title: values.Paths = Field(
        (), description="Field of the page's title. Made of the address when unset."
    )
    collection_heading: values.Paths = Field(
        (), description="Fields of the headings below the title, outermost first, by commas."
    )
    collection_anchor: values.Paths = Field(
        (), description="Field of the heading's fragment. Made of the heading when unset."
    )
    collection_version: values.Paths = Field((), description="Field of the version of the docs.")
    collection_locale: values.Paths = Field((), description="Field of the language of the page.")
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
    collection_filter: values.PayloadFilter = Field(
        {}, description="Only points that pass it, as Qdrant's filter in JSON."
    )

    # Who may use it.
    allowed_origins: values.Origins = Field(
        (), description="Origins of other sites that may call the server, separated by commas."
    )
    allow_anonymous: bool | None = Field(
        None, description="Visitors without a token; on unless a JWT key is configured."
    )
    jwt_secret: values.SharedSecret | None = Field(
        None, description="Shared secret that verifies HS256 tokens."
    )
    jwt_jwks_url: values.Url | None = Field(
        None, description="Key set that verifies RS256, ES256 and EdDSA tokens."
    )
    jwt_issuer: str | None = Field(
        None, description="The `iss` that a token must have; required with a JWT key."
    )
    jwt_audience: str | None = Field(None, description="The `aud` that a token must have.")

    trusted_proxies: values.Networks = Field(
        (),
        description="Addresses or networks of proxies whose X-Forwarded-For counts, by commas.",
    )
    hsts: int | None = Field(
        None,
        ge=0,
        description="Seconds for which browsers that came by https shall use it alone.",
    )

    # Files and dictation.
    attachments: values.FilesPlace | None = Field(
        None, description="Where attached files lie: a folder, or s3://bucket/prefix."
    )
    attachment_types: values.FileTypes = Field(
        TYPES, description="What may be attached, separated by commas."
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
    public_url: values.SiteUrl | None = Field(
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
    aws_endpoint_url: values.Url | None = Field(
        None,
        validation_alias="AWS_ENDPOINT_URL",
        description="Storage that speaks S3 and is not Amazon's.",
    )
    transcription_model: str | None = Field(
        None, description="Turns dictation on: a model for `/v1/audio/transcriptions`."
    )
    transcription_base_url: values.UrlWithoutPassword | None = Field(
        None, description="OpenAI-compatible server for dictation; the model's when unset."
    )
    transcription_api_key: values.Key | None = Field(
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
    visitor_messages: values.Limit = Field(
        "20/minute; 200/hour", description="Questions of one visitor, or `off`."
    )
    address_messages: values.Limit = Field(
        "60/minute; 600/hour", description="Questions from one address, or `off`."
    )
    visitor_requests: values.Limit = Field(
        "240/minute", description="Requests of any kind of one visitor, or `off`."
    )
    address_requests: values.Limit = Field(
        "1200/minute", description="Requests of any kind from one address, or `off`."
    )
    visitor_exports: values.Limit = Field(
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
        15.0, gt=0, le=50, description="Seconds of silence before a comment keeps a stream open."
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
    token_prices: values.TokenPrices = Field(
        {},
        description="What a million tokens cost, as MODEL=INPUT/OUTPUT by commas, for an estimate.",
    )

    @field_validator("*", mode="before")
    @classmethod
    def _drop_line_end(cls, value: object) -> object:
        # As in files: secrets of Kubernetes have one where they were made by `echo`.
        return value.rstrip("\r\n") if isinstance(value, str) else value

    @model_validator(mode="after")
    def _check_together(self) -> Settings:
        if self.metrics_port == self.port:
            raise ValueError(
                f"CHATKIT_METRICS_PORT and PORT are both {self.port}; choose another one for the "
                "metrics"
            )
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

    def check_identity(self) -> None:
        """Refuse to serve where tokens are expected and nothing verifies them.

        Raises:
            SettingsError: such a setting, and what to do.
        """
        for name in ("issuer", "audience"):
            if getattr(self, f"jwt_{name}") and not self.jwt_on:
                raise SettingsError(
                    f"CHATKIT_JWT_{name.upper()} is set and no key, so that tokens would not be "
                    "looked at: set CHATKIT_JWT_SECRET or CHATKIT_JWT_JWKS_URL, or unset it"
                )

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
        raise SettingsError("\n".join(correct(name, Settings.model_fields) for name in unknown))
    try:
        return Settings(**given)
    except ValidationError as error:
        raise SettingsError(explain(error, Settings.model_fields)) from None
    except UnicodeDecodeError:
        raise SettingsError("'.env' holds no text in UTF-8; save it as such") from None
    except OSError as error:
        raise SettingsError(f"'.env' can't be read: {error.strerror}") from None
