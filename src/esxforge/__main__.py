"""``python -m esxforge`` is the command ``esxforge``."""

from esxforge.cli.main import main

if __name__ == "__main__":
    main()
