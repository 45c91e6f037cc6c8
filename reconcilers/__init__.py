"""HOW: each kind of resource is observed, compared and repaired, in that order."""
