"""Floor 0: pure data and decisions. No I/O, no clock, no dice; standard library and msgspec only."""
