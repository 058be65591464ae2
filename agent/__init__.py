"""The agent knows points, and is the only one that knows drivers, sync and config (see README.md)."""
