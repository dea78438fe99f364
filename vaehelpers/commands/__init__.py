"""The command line, a file for each command; nothing here is for import by users."""

__all__: list[str] = []
