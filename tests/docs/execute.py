"""Runs a file as Python's own prompt for asyncio would: `await` may stand outside of functions."""

import ast
import asyncio
import inspect
import sys
from pathlib import Path
from types import FunctionType

if __name__ == "__main__":
    path = Path(sys.argv[1])
    sys.path.insert(0, "")
    compiled = compile(path.read_text(), str(path), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    names = {"__name__": "__main__"}
    if compiled.co_flags & inspect.CO_COROUTINE:
        asyncio.run(FunctionType(compiled, names)())
    else:
        exec(compiled, names)
