"""Making a path absolute where it enters. On the warm path: text alone, no pathlib."""

from __future__ import annotations

import os


def expand_home(text: str, user_home: str = "") -> str:
    """Return a path with a leading `~` or `~name` replaced by the home directory; an unknown `~name` stays.

    Args:
        user_home: The directory that a plain `~` stands for; empty takes the one of this process's user.
    """
    if user_home and (text == "~" or text.startswith("~/")):
        return (user_home.rstrip("/") + text[1:]) or "/"
    return os.path.expanduser(text)  # noqa: PTH111


def absolute_path(text: str, user_home: str = "") -> str:
    """Return a path in full: `~` is a home directory, and a relative path starts at the working directory.

    Args:
        user_home: The directory that a plain `~` stands for; empty takes the one of this process's user.

    Raises:
        ValueError: It is empty, holds a NUL, or begins with the `~name` of a user that there is none of.

    >>> absolute_path("~/wheels", "/home/me")
    '/home/me/wheels'
    """
    expanded = expand_home(text, user_home)
    if not text or "\0" in text or expanded.startswith("~"):
        raise ValueError(text)
    return os.path.abspath(expanded)  # noqa: PTH100
