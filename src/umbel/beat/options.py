"""What the command line may say about a beat. Data only; None means: as the settings have it."""

import msgspec


class BeatOptions(msgspec.Struct, kw_only=True):
    """Options of one beat. ``max_interval`` is in seconds; ``scheduler`` is a dotted name."""

    max_interval: float | None = None
    scheduler: str | None = None
