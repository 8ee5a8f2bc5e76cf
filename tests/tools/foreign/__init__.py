"""Programs that fill a collection in ways of their own; nothing of ours is imported in them."""
