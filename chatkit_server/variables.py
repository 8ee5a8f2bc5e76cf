"""The environment's variables: their names, and secrets that lie in files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource

from .errors import SettingsError

_SUFFIX = "_FILE"
# No secrets by themselves: the one goes with a secret, the other may have a key in its query.
_BESIDE_SECRETS = frozenset({"aws_access_key_id", "jwt_jwks_url"})
_LONGEST = 65_536


def variable(name: str, field: FieldInfo) -> str:
    """Name of the environment variable behind a field of `Settings`."""
    alias = field.validation_alias
    return alias if isinstance(alias, str) else f"CHATKIT_{name.upper()}"


def is_secret(field: FieldInfo) -> bool:
    """Whether a field's value is never shown."""
    return "SecretStr" in str(field.annotation)


def file_variables(fields: Mapping[str, FieldInfo]) -> dict[str, str]:
    """The variables that may name a file with the value, each with the one in whose place it is."""
    return {
        f"{variable(name, field)}{_SUFFIX}": variable(name, field)
        for name, field in fields.items()
        if is_secret(field) or name in _BESIDE_SECRETS
    }


class SecretFiles(PydanticBaseSettingsSource):
    """Reads secrets whose variables name a file, such as Docker and Kubernetes mount."""

    def __init__(
        self,
        settings: type[BaseSettings],
        given: PydanticBaseSettingsSource,
        *variables: PydanticBaseSettingsSource,
    ) -> None:
        super().__init__(settings)
        self._given = given()
        self._variables = {
            name: value
            for source in reversed(variables)
            if isinstance(source, EnvSettingsSource)
            for name, value in source.env_vars.items()
        }

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """The content of the file that is named for a field, by the field's key."""
        plain = variable(field_name, field)
        key = plain if field.validation_alias else field_name
        # Names of variables are in small letters in what pydantic has read.
        path = self._variables.get(f"{plain}{_SUFFIX}".lower())
        if not path or self._given.keys() & {plain, field_name}:
            return None, key, False
        if self._variables.get(plain.lower()):
            raise SettingsError(f"{plain} and {plain}{_SUFFIX} are both set; keep one")
        try:
            return _read(Path(path)), key, False
        except ValueError as error:
            # Else it may be the secret itself that stands there.
            shown = f"is {path!r}" if path.startswith("/") else "is wrong"
            raise SettingsError(f"{plain}{_SUFFIX} {shown}: {error}") from None

    def __call__(self) -> dict[str, Any]:
        found, problems = {}, []
        fields = self.settings_cls.model_fields
        takers = file_variables(fields).values()
        for name, field in fields.items():
            if variable(name, field) not in takers:
                continue
            try:
                value, key, _ = self.get_field_value(field, name)
            except SettingsError as error:
                problems.append(str(error))
                continue
            if value is not None:
                found[key] = value
        if problems:
            raise SettingsError("\n".join(problems))
        return found


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_LONGEST + 1)
    except IsADirectoryError:
        raise ValueError(
            "it is a folder; Docker makes one where the file to be mounted is missing, so make "
            "the file first"
        ) from None
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise ValueError(f"{reason}; name a file that this process may read") from None
    if len(content) > _LONGEST:
        raise ValueError(f"it is longer than {_LONGEST:,} bytes; name the file of the secret alone")
    try:
        # Editors put a mark at the beginning on some systems, and a line's end almost everywhere.
        text = content.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError:
        raise ValueError("it holds no text in UTF-8; write the secret into it as text") from None
    if not text.strip():
        raise ValueError("it is empty; write the secret into it, or don't name it")
    if any(not char.isprintable() for char in text):
        raise ValueError("it has several lines, or signs that can't be seen; keep the secret alone")
    return text
