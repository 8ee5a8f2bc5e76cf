"""`python -m chatkit_server` is `chatkit-server`."""

from .cli import main

main(prog_name="chatkit-server")
