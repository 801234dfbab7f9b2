"""Canonical JSON and sha256 over it: the one way a key is made."""

from __future__ import annotations

import hashlib
import json


def canonical_json(value: object) -> bytes:
    """Return the one JSON text of `value`: sorted keys, no blanks, UTF-8.

    >>> canonical_json({"b": 1, "a": ["x"]})
    b'{"a":["x"],"b":1}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode(
        "utf-8", "surrogatepass"
    )


def digest(value: object) -> str:
    """Return the sha256 of the canonical JSON of `value`, in hexadecimal."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


def value_digest(value: object) -> str:
    """Return the digest of frozen values (`msgspec.Struct`, tuples, sets, mappings) by their fields.

    The warm path uses `digest` alone, because msgspec takes longer to import than a warm call takes.
    """
    from msgspec import to_builtins

    return digest(to_builtins(value, order="deterministic"))
