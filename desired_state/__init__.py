"""What must be: the desired-state file, as values."""
