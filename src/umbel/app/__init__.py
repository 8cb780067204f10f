"""Floor 5: the call becomes a message. The application, its tasks, its configuration, and handles on results."""
