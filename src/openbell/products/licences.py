"""Which values are for the operator alone (DC-10): what a provider licenses for one's own use.

A value is reserved when its product has the licence `personal`, its source is real (what the sandbox invents belongs to
nobody), and the operator has not said in DISPLAY_LICENCES that a licence to show that provider's data is held.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from openbell.engine.artifacts import Reading

PERSONAL = "personal"


def reserves(licence: str | None, provenance: Mapping[str, Any], held: Collection[str]) -> bool:
    """Whether a value of this licence and source is for the operator alone."""
    return licence == PERSONAL and not provenance.get("synthetic") and provenance.get("provider") not in held


def is_reserved(reading: Reading, held: Collection[str]) -> bool:
    """Whether there is a value, and it is for the operator alone."""
    return reading.version > 0 and reserves(reading.licence, reading.provenance, held)
