"""Fixtures that every test may ask for live in `tests/fixtures`, one module a part."""

pytest_plugins = [
    "tests.fixtures.postgres",
    "tests.fixtures.pooler",
    "tests.fixtures.search",
    "tests.fixtures.s3",
    "tests.fixtures.app",
    "tests.fixtures.command",
    "tests.fixtures.own_server",
    "tests.fixtures.modules",
    "tests.fixtures.files",
    "tests.fixtures.browser",
    "tests.fixtures.redis",
    "tests.fixtures.traces",
]
