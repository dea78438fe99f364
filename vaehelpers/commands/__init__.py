"""The command line, a file for each command."""

from vaehelpers.commands.cli import main, run

__all__ = ["main", "run"]
