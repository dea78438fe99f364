"""`python -m vaehelpers`: the same as the command `vaehelpers`."""

from vaehelpers.commands.cli import main

if __name__ == "__main__":
    main()
