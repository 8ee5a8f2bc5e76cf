"""The seams to the packages that this project is built on: what is not public there is listed here.

A new version that moves such a name, or takes one of ours, fails here and not with a reader.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import sys
import textwrap
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from itertools import chain

import chatkit.agents
import pytest
from chatkit.server import ChatKitServer
from openai import AsyncOpenAI

import chatkit_server
import chatkit_stores
import chatkit_tools
from tests.named import ROOT

OWN = (chatkit_server, chatkit_stores, chatkit_tools)
# Methods that are not public, and how ours that stand in their place are called.
REPLACED = {
    (ChatKitServer, "_build_user_message_item"): "(self, input, thread, context)",
    (ChatKitServer, "_process_events"): "(self, thread, context, stream)",
    (ChatKitServer, "_process_non_streaming"): "(self, request, context)",
    (ChatKitServer, "_update_pending_items"): "(self, pending_items, event)",
    (AsyncOpenAI, "_process_response_data"): "(self, *, data, cast_to, response)",
}
CALLED = {
    **REPLACED,
    (ChatKitServer, "_process_streaming_impl"): "(self, request, context)",
    (ChatKitServer, "_serialize"): "(self, obj)",
    (ChatKitServer, "_to_thread_response"): "(self, thread)",
}
# Comes with a package that is named, in the one version that it takes.
BROUGHT = {"pydantic_core": "pydantic"}


@cache
def own_classes() -> tuple[type, ...]:
    names = (
        found.name
        for package in OWN
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
        if not found.name.endswith("__main__")
    )
    modules = [importlib.import_module(name) for name in names]
    return tuple(
        value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type) and value.__module__ == module.__name__
    )


def is_own(cls: type) -> bool:
    return cls.__module__.startswith(tuple(package.__name__ for package in OWN))


def foreign_methods(cls: type) -> dict[str, type]:
    """The methods that are not public of classes of others, with the last class that has each."""
    return {
        name: base
        for base in reversed(cls.__mro__)
        if not is_own(base) and base.__module__.partition(".")[0] not in sys.stdlib_module_names
        for name, value in vars(base).items()
        if name.startswith("_") and not name.startswith("__") and inspect.isfunction(value)
    }


def test_no_method_of_ours_stands_unknowingly_in_anothers_place() -> None:
    found = {
        (methods[name], name)
        for cls in own_classes()
        if (methods := foreign_methods(cls))
        for above in cls.__mro__
        if is_own(above)
        for name in vars(above).keys() & methods.keys()
    }

    assert {name for _, name in found} == {name for _, name in REPLACED}


def test_methods_that_are_not_public_are_called_only_where_that_is_listed() -> None:
    found = {
        name
        for cls in own_classes()
        if (methods := foreign_methods(cls))
        for name in names_in(cls) & methods.keys()
    }
    replaced = {name for _, name in REPLACED}

    assert found - replaced == {name for _, name in CALLED} - replaced


def names_in(cls: type) -> set[str]:
    """The attributes that a class's own code asks any object for."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(cls)))
    except OSError:  # made by a decorator
        return set()
    return {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


@pytest.mark.parametrize(("place", "parameters"), CALLED.items())
def test_what_is_not_public_takes_what_it_is_given(
    place: tuple[type, str], parameters: str
) -> None:
    taken = inspect.signature(getattr(*place)).parameters.values()
    bare = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in taken]

    assert str(inspect.Signature(bare)) == parameters


def test_the_annotations_of_answers_are_converted_where_we_mend_it() -> None:
    """`tests/server/test_sdk.py` shows that the mended one is called."""
    assert chatkit.agents._convert_annotation.__module__ == "chatkit_server.sdk"
    assert "_convert_annotation(" in inspect.getsource(chatkit.agents.stream_agent_response)


def imported() -> Iterator[tuple[str, str]]:
    """The packages that our code imports, and the files that do."""
    for place in ("chatkit_server", "stores", "tools"):
        for path in (ROOT / place).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                names = []
                if isinstance(node, ast.Import):
                    names = [alias.name for alias in node.names]
                elif isinstance(node, ast.ImportFrom) and node.level == 0:
                    names = [node.module or ""]
                for name in names:
                    yield name.partition(".")[0], str(path.relative_to(ROOT))


def test_what_is_imported_is_named_among_the_dependencies() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [*project["dependencies"], *chain(*project["optional-dependencies"].values())]
    named = {normal(re.split(r"[\[><;=]", line)[0]) for line in lines}
    own = {package.__name__ for package in OWN}
    providers = packages_distributions()

    missing = {
        f"{name} in {path}"
        for name, path in imported()
        if name not in sys.stdlib_module_names | own
        and not {normal(found) for found in providers.get(BROUGHT.get(name, name), [])} & named
    }

    assert not missing


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.strip()).lower()
