"""Floor 1: bytes to data and back, without I/O. Knows Celery's formats; knows no broker."""
