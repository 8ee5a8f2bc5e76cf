"""Looks at every part of a server, one module a kind of part; `chatkit-server doctor` prints it."""

from .check import Check, Status, say

__all__ = ["Check", "Status", "say"]
