"""Floor 3: result stores. ``base`` is the port; the other modules are its adapters, blind to each other."""
