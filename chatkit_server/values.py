"""What a setting may hold: how each kind of value is written, and what is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from .filetypes import FileType
from .prices import TokenPrice, read_prices

_Place = TypeVar("_Place", str, Path)

_FILTER_PARTS = frozenset({"must", "should", "must_not", "min_should"})
_USUAL_PORTS = {"http": ":80", "https": ":443"}


def _split_list(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _split_paths(value: object) -> object:
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


def _read_filter(value: object) -> object:
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


def _read_prices(value: object) -> object:
    return read_prices(value) if isinstance(value, str) else value


def _check_origins(value: tuple[str, ...]) -> tuple[str, ...]:
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


def _check_networks(value: tuple[str, ...]) -> tuple[str, ...]:
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


def _check_limit(value: str) -> str:
    from limits import parse_many

    try:
        items = [] if value == "off" else parse_many(value)
    except ValueError:
        raise ValueError("write it like '20/minute; 200/hour', or 'off'") from None
    if any(item.amount < 1 for item in items):
        raise ValueError("a limit of 0 refuses everybody; write 'off' to have none")
    return value


def _check_shared_secret(value: SecretStr) -> SecretStr:
    if value.get_secret_value().lstrip().startswith("-----BEGIN"):
        raise ValueError("a PEM key is no shared secret; serve it as CHATKIT_JWT_JWKS_URL")
    return value


def _check_key(value: SecretStr) -> SecretStr:
    key = value.get_secret_value()
    # It is sent in a header, and the client would say nothing that helps.
    if not (key.isascii() and key.isprintable()):
        raise ValueError("it has a sign that no key has, such as a typographic quote")
    return value


def _check_redis_url(value: SecretStr) -> SecretStr:
    if not re.match(r"(rediss?|unix)://", value.get_secret_value()):
        raise ValueError("it must start with redis://, rediss:// or unix://")
    return value


def _check_dsn(value: SecretStr) -> SecretStr:
    if not re.match(r"postgres(ql)?://", value.get_secret_value()):
        raise ValueError("it must start with postgres:// or postgresql://")
    return value


def _check_site_url(value: str) -> str:
    if not _is_address(urlsplit(value)):
        raise ValueError(f"{value!r} is not a URL; write it like https://docs.acme.io")
    return value.rstrip("/")


def _check_no_password(value: str) -> str:
    # The client refuses it beside a key with each call, and there is always a key.
    if "@" in urlsplit(value).netloc:
        raise ValueError("a user and a password in it are not sent; set the key instead")
    return value


def _check_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in _USUAL_PORTS:
        raise ValueError("it must start with http:// or https://")
    if not _is_address(parts):
        raise ValueError("it names no host; write it like https://host:8000")
    return value


def _is_address(parts: SplitResult) -> bool:
    """Whether it names a host by http or https; `ValueError` where its port is none."""
    named = bool(parts.hostname) and not re.search(r"\s", parts.netloc)
    try:
        port = parts.port
    except ValueError:
        # Without the cause, which quotes what may be a piece of a password.
        raise ValueError("port could not be read; it is a number from 1 to 65535") from None
    return parts.scheme in _USUAL_PORTS and named and port != 0


def _check_home(value: _Place) -> _Place:
    if str(value).startswith("~"):
        raise ValueError("only a shell knows what `~` is; write the whole path")
    return value


def _check_site_dir(value: Path) -> Path:
    try:
        found = value.is_dir()
    except OSError as error:
        raise ValueError(f"it can't be read: {error.strerror}") from None
    if not found:
        raise ValueError("there is no such folder; build the site first")
    return value


def _check_files_place(value: str) -> str:
    remote = "://" in value or value.startswith("s3:")
    if remote and not re.fullmatch(r"s3://[^/\s]+(/.*)?", value):
        raise ValueError("it must be a folder, or an address like s3://bucket/prefix")
    return value


def _check_reference(value: str) -> str:
    if not re.fullmatch(r"[\w.]+:\w+", value):
        raise ValueError(f"{value!r} is not of the form package.module:attribute")
    return value


def _check_references(value: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(map(_check_reference, value))


Language = Literal[
    "arabic", "danish", "dutch", "english", "finnish", "french", "german", "greek",
    "hungarian", "italian", "norwegian", "portuguese", "romanian", "russian", "spanish",
    "swedish", "tamil", "turkish", "none",
]  # fmt: skip
"""What the lexical search can stem; `none` leaves words as they are."""

_Split = BeforeValidator(_split_list)
Names = Annotated[tuple[str, ...], NoDecode, _Split]
"""Separated by commas."""
FileTypes = Annotated[tuple[FileType, ...], NoDecode, Field(min_length=1), _Split]
Networks = Annotated[tuple[str, ...], NoDecode, _Split, AfterValidator(_check_networks)]
Origins = Annotated[tuple[str, ...], NoDecode, _Split, AfterValidator(_check_origins)]
Paths = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_paths)]
"""Into the payload of a point, several separated by commas."""
Reference = Annotated[str, AfterValidator(_check_reference)]
References = Annotated[tuple[str, ...], NoDecode, _Split, AfterValidator(_check_references)]
"""Things of one's own, as `package.module:attribute`."""

PayloadFilter = Annotated[dict[str, Any], NoDecode, BeforeValidator(_read_filter)]
TokenPrices = Annotated[Mapping[str, TokenPrice], NoDecode, BeforeValidator(_read_prices)]
Limit = Annotated[str, AfterValidator(_check_limit)]
"""How often something may be done, such as `20/minute; 200/hour`, or `off`."""

Url = Annotated[str, AfterValidator(_check_url)]
UrlWithoutPassword = Annotated[str, AfterValidator(_check_no_password), AfterValidator(_check_url)]
SiteUrl = Annotated[str, AfterValidator(_check_site_url)]
"""Without a slash at its end."""
PostgresUrl = Annotated[SecretStr, AfterValidator(_check_dsn)]
RedisUrl = Annotated[SecretStr, AfterValidator(_check_redis_url)]
SharedSecret = Annotated[SecretStr, Field(min_length=32), AfterValidator(_check_shared_secret)]
Key = Annotated[SecretStr, AfterValidator(_check_key)]
"""Sent to a server with each request."""
Folder = Annotated[Path, AfterValidator(_check_home)]
SiteFolder = Annotated[Folder, AfterValidator(_check_site_dir)]
FilesPlace = Annotated[str, AfterValidator(_check_home), AfterValidator(_check_files_place)]
"""A folder, or an address in S3."""
