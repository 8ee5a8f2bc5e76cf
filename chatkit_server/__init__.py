"""A ChatKit server for documentation sites."""

__version__ = "0.1.0"
