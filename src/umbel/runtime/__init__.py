"""Floor 1: how things live: clock, probes, process plumbing. Knows no broker."""
