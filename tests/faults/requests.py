"""Requests that are right, nearly right, or wrong from the bytes up, by the SDK's schemas."""

from __future__ import annotations

import copy
import json
import re
from dataclasses import dataclass, field
from typing import Any, Final, get_args

from chatkit.types import NonStreamingReq, StreamingReq
from hypothesis import strategies as st
from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaWarningKind

Json = Any
OWNERS: Final = ("own", "other")
_ID_KINDS: Final = ("thread", "question", "answer", "deleted_thread", "attachment", "announced")
# Stands for an id that is only known when the request is sent.
PLACE: Final = re.compile(rf"<(own|other):({'|'.join((*_ID_KINDS, 'token'))})>")
_MODELS: Final[tuple[type[BaseModel], ...]] = (*get_args(StreamingReq), *get_args(NonStreamingReq))

_ids = st.sampled_from([f"<{owner}:{kind}>" for owner in OWNERS for kind in _ID_KINDS])
_likely_ids = st.sampled_from([f"<own:{kind}>" for kind in _ID_KINDS])
_odd_texts = st.sampled_from(
    [
        "",
        " \n\t",
        "\0",
        "a\0b",
        "\ud800",
        "x" * 201,
        "x" * 9000,
        "thr_never_was",
        "../../etc/passwd",
        "'; drop table chatkit.threads; --",
        "%s %(user)s {0}",
        "‮⁦\U0001f469‍\U0001f4bb" * 5,
        "__fake_id__",
        "null",
        "How do I connect to Neon? [1] [2](javascript:alert(1))",
    ]
)
_texts = st.one_of(
    st.sampled_from(["How do I connect to Neon?", "Oven?", "And with a pooler?"]),
    st.text(max_size=40),
    st.sampled_from(["How hot is the oven?"]) | _odd_texts,
)
_odd_numbers = st.sampled_from(
    [
        *(0, -1, 1, 100, 101, 2**31, 2**63, 2**64, -(2**63) - 1, 10**30, 10**400),
        *(0.5, -0.0, 1e308, float("nan"), float("inf")),
    ]
)


def _nested(depth: int) -> Json:
    value: Json = 1
    for level in range(depth):
        value = [value] if level % 2 else {"a": value}
    return value


_anything = st.one_of(
    st.none(),
    st.booleans(),
    _odd_numbers,
    _texts,
    _ids,
    st.just([]),
    st.just({}),
    st.sampled_from([5, 60, 200]).map(_nested),
    st.lists(st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=5), st.text(max_size=5), max_size=3),
)


class _Quiet(GenerateJsonSchema):
    """Without the warning that some defaults can't be written as JSON."""

    ignored_warning_kinds: set[JsonSchemaWarningKind] = {  # noqa: RUF012
        "skipped-choice",
        "non-serializable-default",
    }


def _mostly(
    usual: st.SearchStrategy[Json], other: st.SearchStrategy[Json]
) -> st.SearchStrategy[Json]:
    return st.integers(0, 4).flatmap(lambda roll: usual if roll else other)


class _Schema:
    """Valid values of one JSON schema, as far as the schema says."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self._definitions = schema.get("$defs", {})
        self._made: dict[str, st.SearchStrategy[Json]] = {}

    def values(self, schema: dict[str, Any], name: str = "") -> st.SearchStrategy[Json]:
        if reference := schema.get("$ref"):
            return self._defined(reference.rsplit("/", 1)[1])
        if choices := schema.get("anyOf") or schema.get("oneOf"):
            values = st.one_of([self.values(choice, name) for choice in choices])
            # Most requests leave out what they may leave out.
            return _mostly(st.none(), values) if {"type": "null"} in choices else values
        if "const" in schema:
            return st.just(schema["const"])
        if "enum" in schema:
            return st.sampled_from(schema["enum"])
        match schema.get("type"):
            case "object":
                return self._objects(schema)
            case "array":
                values = self.values(schema.get("items", {}), name)
                usual = 0 if name == "attachments" else 1
                return _mostly(
                    st.lists(values, min_size=usual, max_size=usual), st.lists(values, max_size=3)
                )
            case "string":
                return self._strings(name)
            case "integer" | "number":
                return st.one_of(st.integers(1, 100), st.integers(1, 100), _odd_numbers)
            case "boolean":
                return st.booleans()
            case "null":
                return st.none()
        return _anything

    def _defined(self, name: str) -> st.SearchStrategy[Json]:
        if name not in self._made:
            self._made[name] = st.deferred(lambda: self.values(self._definitions[name]))
        return self._made[name]

    def _objects(self, schema: dict[str, Any]) -> st.SearchStrategy[Json]:
        fields = {name: self.values(of, name) for name, of in schema.get("properties", {}).items()}
        if not fields:
            return st.dictionaries(st.text(max_size=8), _anything, max_size=3)
        # What has one value only is the tag of a union: without it, nothing else is looked at.
        needed = {
            name
            for name, of in schema["properties"].items()
            if "const" in of or name in schema.get("required", [])
        }
        return st.fixed_dictionaries(
            {name: fields[name] for name in fields if name in needed},
            optional={name: fields[name] for name in fields if name not in needed},
        )

    @staticmethod
    def _strings(name: str) -> st.SearchStrategy[Json]:
        if name == "thread_id":
            return st.sampled_from(
                ["<own:thread>"] * 6 + ["<other:thread>", "<own:deleted_thread>"]
            )
        if name in ("item_id", "item_ids"):
            own = st.sampled_from(["<own:question>", "<own:answer>"])
            return st.one_of(own, own, own, _ids, _odd_texts)
        if name == "audio_base64":
            return st.sampled_from(["T2dnUw==", "", "T2dn", "====", "T2 dn", "_-_-"])
        if name == "mime_type":
            types = ["audio/webm;codecs=opus", "audio/ogg", "image/png", "text/plain", "a/", "é/x"]
            return st.sampled_from(types)
        if name == "after":
            return st.one_of(_likely_ids, _odd_texts)
        if name.endswith(("_id", "_ids")) or name == "attachments":
            return st.one_of(_likely_ids, _ids, _odd_texts)
        return _texts


_by_model: Final = {
    model: _Schema(schema).values(schema)
    for model in _MODELS
    for schema in [model.model_json_schema(schema_generator=_Quiet)]
}
# More often what makes the server work.
_valid: Final = st.one_of(
    *_by_model.values(),
    *[_by_model[model] for model in get_args(StreamingReq) for _ in range(3)],
)


def _places(value: Json, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [place]
    if isinstance(value, dict):
        for key, inner in value.items():
            found += _places(inner, (*place, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            found += _places(inner, (*place, index))
    return found


@st.composite
def _mutated(draw: st.DrawFn) -> Json:
    """A valid request with one to three faults."""
    # Copies: the strategies give some of their values to everybody.
    root = {"root": copy.deepcopy(draw(_valid))}
    for _ in range(draw(st.integers(1, 3))):
        *way, last = draw(st.sampled_from(_places(root["root"], ("root",))[::-1]))
        holder: Any = root
        for step in way:
            holder = holder[step]
        match draw(st.sampled_from(["replace", "replace", "drop", "wrap", "add"])):
            case "replace":
                holder[last] = copy.deepcopy(draw(_anything))
            case "drop" if way:
                del holder[last]
            case "wrap":
                holder[last] = [holder[last]]
            case "add" if isinstance(holder[last], dict):
                holder[last][draw(_texts)] = copy.deepcopy(draw(_anything))
    return root["root"]


def _break_bytes(body: bytes, manner: str, at: int) -> bytes:
    at %= len(body) + 1
    match manner:
        case "cut":
            return body[:at]
        case "bad UTF-8":
            return body[:at] + b"\xff\xfe" + body[at:]
        case "twice":
            return body + body
        case "mark":
            return b"\xef\xbb\xbf" + body
        case "UTF-16":
            return body.decode().encode("utf-16")
        case "deep":
            return b"[" * 20_000
        case "deep objects":
            return b'{"type":' * 5_000 + b"1" + b"}" * 5_000
        case "long":
            return body + b" " * 300_000
        case "noise":
            return bytes(byte ^ 0x55 for byte in body)
    return body


_MANNERS: Final = (
    *["as it is"] * 60,
    *("cut", "bad UTF-8", "twice", "mark", "UTF-16", "deep", "deep objects", "long", "noise"),
)
_SECRETS: Final = ("<own>",) * 80 + (None, "short", "x" * 257, "é" * 40, "x" * 31 + ".", "")
_CONTENT_TYPES: Final = ("application/json",) * 90 + (
    *("application/json; charset=utf-16", "APPLICATION/JSON", "text/plain", "", "application/"),
    *("multipart/form-data", "multipart/form-data; boundary=x", "\xff", None),
)


_TOKENS: Final = ("<own:token>", "<own:token>", "<other:token>", "x.y.z", "%00", "é" * 9)


@dataclass
class Wild:
    """One request as it will be sent."""

    method: str
    path: str
    body: Json = None
    raw: bytes | None = None
    manner: str = "as it is"
    at: int = 0
    secret: str | None = "<own>"
    headers: dict[str, str] = field(default_factory=dict)

    def content(self, ids: dict[str, str]) -> bytes:
        if self.raw is not None:
            return self.raw
        text = json.dumps(self.body)
        return _break_bytes(self.fill(text, ids).encode(), self.manner, self.at)

    @staticmethod
    def fill(text: str, ids: dict[str, str]) -> str:
        return PLACE.sub(lambda found: ids[found[0][1:-1]], text)


@st.composite
def _headers(draw: st.DrawFn) -> dict[str, str]:
    headers = {}
    if (kind := draw(st.sampled_from(_CONTENT_TYPES))) is not None:
        headers["Content-Type"] = kind
    if draw(st.integers(0, 9)) == 0:
        headers["X-Chatkit-Resume"] = draw(st.sampled_from(["1", "0", "yes", ""]))
    if draw(st.integers(0, 9)) == 0:
        headers["Accept-Language"] = draw(st.sampled_from(["de", "*", "x" * 5000, "\xff;q=9"]))
    if draw(st.integers(0, 19)) == 0:
        headers["Authorization"] = draw(st.sampled_from(["Bearer", "Bearer x.y.z", "Basic \xff"]))
    if draw(st.integers(0, 9)) == 0:
        headers["X-Forwarded-For"] = draw(st.sampled_from(["::1", "1.2.3.4, x", "\xff", ","]))
    if draw(st.integers(0, 9)) == 0:
        headers["Origin"] = draw(st.sampled_from(["null", "https://evil.example", "\xff"]))
    return headers


@st.composite
def wild_requests(draw: st.DrawFn) -> Wild:
    """Two thirds go to the protocol's endpoint, the others to what stands beside it."""
    secret = draw(st.sampled_from(_SECRETS))
    headers = draw(_headers())
    if draw(st.integers(0, 11)) < 10:
        body = draw(_valid if draw(st.booleans()) else _mutated())
        manner, at = draw(st.sampled_from(_MANNERS)), draw(st.integers(0, 2000))
        return Wild("POST", "/chatkit", body, None, manner, at, secret, headers)
    part = draw(st.one_of(_ids, st.sampled_from(["%00", "%ff", "x" * 300, "%2e%2e", "a%2Fb", "%"])))
    path = draw(
        st.sampled_from(
            [
                "/chatkit/stop",
                "/chatkit/stop",
                f"/chatkit/turns/{part}",
                f"/chatkit/turns/{part}",
                "/chatkit/attachments",
                f"/chatkit/attachments/{part}",
                *[f"/chatkit/attachments/{part}?token={token}" for token in _TOKENS],
                "/chatkit/",
                "/chat",
                "/healthz",
                "/readyz",
            ]
        )
    )
    method = draw(
        st.sampled_from(["GET", "GET", "POST", "POST", "PUT", "DELETE", "OPTIONS", "HEAD"])
    )
    raw = draw(
        st.one_of(
            st.none(),
            st.binary(max_size=50),
            st.just(
                b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n'
                b"Content-Type: text/plain\r\n\r\nsome words\r\n--x--\r\n"
            ),
        )
    )
    body = draw(st.one_of(st.just({"thread_id": "<own:thread>"}), _ids.map(_thread_of), _anything))
    return Wild(method, path, body, raw, "as it is", 0, secret, headers)


def _thread_of(place: str) -> Json:
    return {"thread_id": place}
