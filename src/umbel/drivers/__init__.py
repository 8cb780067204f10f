"""Floor 2: one module per outside system: connect, keep connected, run one step. Knows no messages."""
