"""Turns documents into passages and finds them again with Qdrant."""
