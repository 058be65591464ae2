"""This station: its settings, where they come from, and what is refused (config/README.md)."""
