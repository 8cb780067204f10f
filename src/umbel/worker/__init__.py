"""Floor 6: those who act. A supervisor, its processes, and in each an I/O thread and a lane."""
