"""A remote file as a seekable one, read by HTTP ranges: the tail of a wheel holds its metadata."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

    from venvkit.base.http import Client

# A wheel's directory and metadata: the largest wheels have 20,000 files, and a directory of 3 MB.
_MOST = 16_000_000
_PLAIN = {"Accept-Encoding": "identity"}


class RangeFile(io.RawIOBase):
    """Reads `url` piece by piece, or whole where the server serves no ranges.

    Args:
        whole: The most that is fetched whole, in bytes.

    Raises:
        HttpError: The server does not answer.
        ValueError: It answers with something else than was asked for, or too much was read.
    """

    def __init__(self, client: Client, url: str, *, whole: int) -> None:
        self._client = client
        self._url = url
        self._at = 0
        self._left = _MOST
        self._content: bytes | None = None
        head = client.get(url, method="HEAD", headers=_PLAIN)
        self._size = int(head.headers.get("content-length", ""))
        if head.status != 200 or (head.headers.get("accept-ranges") == "none" and self._size > whole):
            raise ValueError(f"status {head.status}, {self._size} bytes")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        target = memoryview(buffer).cast("B")
        wanted = min(len(target), self._size - self._at)
        if wanted <= 0:
            return 0
        piece = self._piece(wanted) if self._content is None else self._content[self._at : self._at + wanted]
        target[:wanted] = piece
        self._at += wanted
        return wanted

    def _piece(self, wanted: int) -> bytes:
        span = {"Range": f"bytes={self._at}-{self._at + wanted - 1}"}
        answer = self._client.get(self._url, headers={**_PLAIN, **span})
        self._left -= wanted
        if answer.status == 206 and len(answer.content) == wanted and self._left >= 0:
            return answer.content
        if answer.status == 200 and len(answer.content) == self._size:
            self._content = answer.content
            return self._content[self._at : self._at + wanted]
        raise ValueError(f"no such range, status {answer.status}")
