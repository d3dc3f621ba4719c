"""What a run cannot do without, and does not test."""

from __future__ import annotations


class NoRun(Exception):
    """Something that a run needs is not there."""
