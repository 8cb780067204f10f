"""``python -m umbel.cli``: the command line without its script, for processes that must run this very Python."""

from umbel.cli import main

main()
