"""Where things are, for the tests of `infra/`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Dict, List

import yaml

ROOT = Path(__file__).resolve().parents[2]
INFRA = ROOT / "infra"
TINY_CLIP = ROOT / "tests/fixtures/media/normal/tiny_aac_180p.mp4"
# The daemon under test; the worker is beside it.
PROGRAM = Path(os.environ.get("REELMILL_PROGRAM", ROOT / "target/debug/reelmill"))


def text(path: str) -> str:
    """A file of the project."""
    return (ROOT / path).read_text(encoding="utf-8")


def documents(path: Path) -> List[Dict[str, Any]]:
    """The YAML documents of a file."""
    return [document for document in yaml.safe_load_all(path.read_text(encoding="utf-8")) if document is not None]
