"""A private folder for the files of one question, made and removed quickly: a plan takes two of them."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def scratch_folder() -> Iterator[str]:
    """Yield the path of a new folder that only this user can read; it is gone after the block."""
    folder = tempfile.mkdtemp(prefix="venvkit-")
    try:
        yield folder
    finally:
        # What is in it is mostly a few files; the general way looks at everything twice.
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    os.unlink(entry.path)  # noqa: PTH108
            os.rmdir(folder)  # noqa: PTH106
        except OSError:
            shutil.rmtree(folder, ignore_errors=True)
