"""Floor 3: brokers. ``base`` is the port; the other modules are its adapters, blind to each other."""
