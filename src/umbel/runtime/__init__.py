"""Floor 1: how things live: clock, process plumbing. Knows no broker."""
