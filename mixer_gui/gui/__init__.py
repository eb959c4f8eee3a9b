"""The window. Never imports torch; reaches the engine only through `workers`."""
