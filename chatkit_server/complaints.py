"""Says what is wrong with settings: which variable, its value unless secret, and the fix."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from .variables import is_secret, variable

_PASSWORD = re.compile(r"[^\s'\"]+@")


def explain(error: ValidationError, fields: Mapping[str, FieldInfo]) -> str:
    """A line for each setting that is wrong."""
    lines = []
    for problem in error.errors(include_input=True, include_context=False, include_url=False):
        message = problem["msg"].removeprefix("Value error, ")
        if not problem["loc"]:
            lines.append(message)
            continue
        name = str(problem["loc"][0])
        field = fields.get(name.removeprefix("CHATKIT_").lower())
        field = field or next((f for n, f in fields.items() if variable(n, f) == name), None)
        shown = name if field is None else variable(name.removeprefix("CHATKIT_").lower(), field)
        secret = field is not None and is_secret(field)
        # An address may hold a user and a password.
        found = f"is {_PASSWORD.sub('…@', repr(problem.get('input')))}"
        found = "is wrong" if secret else found
        hint = f" ({field.description})" if field is not None and field.description else ""
        lines.append(f"{shown} {found}: {message[:1].lower()}{message[1:]}{hint}")
    return "\n".join(lines)


def correct(name: str, fields: Mapping[str, FieldInfo]) -> str:
    """What is said to a setting that there is none of."""
    meant = get_close_matches(name.removeprefix("CHATKIT_").lower(), list(fields), 1, 0.8)
    hint = "their names are those of the variables, without CHATKIT_ and in small letters"
    return f"there is no setting {name!r}; {f'did you mean {meant[0]!r}?' if meant else hint}"
