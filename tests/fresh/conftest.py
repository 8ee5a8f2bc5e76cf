"""The Docker engine of `tests/compose`."""

from tests.compose.conftest import engine as engine
