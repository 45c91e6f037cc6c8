"""Text that came from elsewhere, made fit to be shown: see `reconcilers.plain`, where evidence is made of it too."""

from reconcilers.plain import one_line, redacted

__all__ = ["one_line", "redacted"]
