"""``python -m umbel``: the command line."""

from umbel.cli import main

if __name__ == "__main__":
    main()
