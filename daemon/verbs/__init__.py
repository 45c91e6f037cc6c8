"""The verbs of a person at a terminal, one file each, and what only they need. The daemon runs none of them."""
