"""Keeps ChatKit threads and items in PostgreSQL."""
