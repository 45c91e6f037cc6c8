"""WHEN, and telling people: the loop, the logs, the metrics, the pages and the command line."""
