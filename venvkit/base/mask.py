"""Secrets never leave: credentials in URLs and known secret values are masked before text is shown or raised."""

from __future__ import annotations

import re
from collections.abc import Iterable

MASK = "****"
# The user part may be empty (`://:token@`) or the only part (`://token@`), and a password may hold an `@` of its own.
# A scheme is short: without that bound an encoded file in the log of a build would take quadratic time.
_CREDENTIALS = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]{0,30}://)[^/\s\"'`<>,]+@")
# An address that lacks its scheme is no address, but its password is one all the same.
_BARE = re.compile(r"(?<![\w./:@%+-])[\w.%+-]+:[^\s/@\"'`<>,]+@(?=[\w\[])")
_QUERY = re.compile(
    r"(?i)(?P<key>[?&][\w.-]*(?:token|key|password|passwd|secret|signature|sig|auth|credential)=)[^&\s#\"'`<>]+"
)
_USER = re.compile(r"(?<=://)[^/?#\s`]*@")


def without_users(text: str) -> str:
    """Return `text` with the user part taken out of every address.

    >>> without_users("https://me:pw@index.example/simple")
    'https://index.example/simple'
    """
    return _USER.sub("", text)


def mask(text: str, secrets: Iterable[str] = ()) -> str:
    """Return `text` with URL credentials, secret query values and each of `secrets` replaced by `****`.

    >>> mask("GET https://me:pw@index.example/simple?token=abc")
    'GET https://****@index.example/simple?token=****'
    """
    for secret in secrets:
        if len(secret) >= 4:
            text = text.replace(secret, MASK)
    # Most of what is shown has neither sign, and then neither pattern can match.
    if "@" in text:
        text = _BARE.sub(f"{MASK}@", _CREDENTIALS.sub(rf"\g<scheme>{MASK}@", text))
    return _QUERY.sub(rf"\g<key>{MASK}", text) if "=" in text else text
