"""The audit finds what services know, and lets pass only what has a reason and a day.

The real pip-audit and npm, asking a service on this machine.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from chatkit_server.testing import serve_in_thread
from tests.release.audit import (
    EXCEPTIONS,
    Advisory,
    Exemption,
    UnreachableError,
    find_npm,
    find_python,
    judge,
    read_exemptions,
)

TODAY = date(2026, 12, 1)
REASON = "Only the development server is concerned, which listens on loopback."


def exception(**changes: Any) -> str:
    entry = {"id": "GHSA-1", "package": "esbuild", "reason": REASON, "expires": TODAY, **changes}
    lines = (
        f"{name} = {value if isinstance(value, date) else json.dumps(value)}"
        for name, value in entry.items()
        if value is not None
    )
    return "[[exception]]\n" + "\n".join(lines) + "\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "audit.toml"


def test_the_exceptions_of_this_repository_are_in_force() -> None:
    read_exemptions(EXCEPTIONS, date.today())


def test_an_exception_holds_until_its_day(file: Path) -> None:
    file.write_text(exception())

    assert read_exemptions(file, TODAY) == [Exemption("GHSA-1", "esbuild", REASON, TODAY)]
    with pytest.raises(ValueError, match="exception GHSA-1: it has expired on 2026-12-01"):
        read_exemptions(file, TODAY + timedelta(days=1))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"reason": "  later  "}, "its reason says too little"),
        ({"reason": None}, "must have"),
        ({"expires": None}, "must have"),
        ({"expires": "never"}, "expires must be a day"),
        ({"expires": TODAY + timedelta(days=181)}, "more than 180 days away"),
        ({"severity": "low"}, "must have"),
    ],
)
def test_an_exception_without_a_reason_or_an_end_is_none(
    file: Path, changes: dict[str, Any], said: str
) -> None:
    file.write_text(exception(**changes))

    with pytest.raises(ValueError, match=said):
        read_exemptions(file, TODAY)


def test_an_exception_is_for_one_advisory_of_one_package() -> None:
    found = [
        Advisory("jinja2 3.1.0", ("PYSEC-1", "GHSA-1"), "Python", ""),
        Advisory("esbuild", ("GHSA-1",), "web", "high: x"),
        Advisory("esbuild", ("GHSA-2",), "web", "high: y"),
    ]
    passed = [Exemption("GHSA-1", name, REASON, TODAY) for name in ("jinja2", "esbuild")]

    assert list(judge(found, passed)) == ["web: esbuild: GHSA-2 high: y"]
    assert len(list(judge(found, passed[:1]))) == 2


async def npm_advisories(request: Request) -> Response:
    body = await request.body()
    asked = json.loads(gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body)
    known = {
        "id": 1,
        "url": "https://github.com/advisories/GHSA-1",
        "title": "Reads anything",
        "vulnerable_versions": "*",
        "cwe": [],
        "cvss": {"score": 0, "vectorString": None},
    }
    severities = {"esbuild": "high", "prettier": "low"}
    assert severities.keys() <= asked.keys()
    return JSONResponse({n: [{**known, "severity": s}] for n, s in severities.items()})


async def osv(request: Request) -> Response:
    asked = await request.json()
    if asked["package"]["name"] != "click":
        return JSONResponse({})
    known = {
        "id": "PYSEC-1",
        "aliases": ["GHSA-1"],
        "summary": "Clicks by itself",
        "affected": [
            {
                "package": {"name": "click", "ecosystem": "PyPI"},
                "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99"}]}],
            }
        ],
    }
    return JSONResponse({"vulns": [known]})


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    routes = [
        Route("/-/npm/v1/security/advisories/bulk", npm_advisories, methods=["POST"]),
        Route("/v1/query", osv, methods=["POST"]),
    ]
    with serve_in_thread(Starlette(routes=routes)) as url:
        yield url


def test_npm_names_what_is_serious(service: str) -> None:
    assert find_npm("web", "--registry", service) == [
        Advisory("esbuild", ("GHSA-1",), "web", "high: Reads anything")
    ]


def test_pip_audit_names_what_is_installed(service: str, tmp_path: Path) -> None:
    [found] = find_python("--osv-url", f"{service}/v1/query", "--cache-dir", str(tmp_path))

    assert found.package.startswith("click ")
    assert set(found.ids) == {"PYSEC-1", "GHSA-1"}
    assert found.title == "(mended in 99)"


def test_a_service_that_is_away_is_not_taken_for_good_news(tmp_path: Path) -> None:
    nowhere = "http://127.0.0.1:9"
    with pytest.raises(UnreachableError):
        find_npm("web", "--registry", nowhere, "--fetch-retries", "0")
    with pytest.raises(UnreachableError):
        find_python("--osv-url", nowhere, "--cache-dir", str(tmp_path))
