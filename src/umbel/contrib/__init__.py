"""Floor 9: what ties Umbel to other people's programs. Nothing below imports it."""
