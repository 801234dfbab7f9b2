"""A remote file as a seekable one, read by HTTP ranges: the tail of a wheel says what it requires."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx
    from _typeshed import WriteableBuffer


class NoRanges(ValueError):  # noqa: N818 - a fact about a server
    """The server does not serve ranges of a file; `size` is the file's, in bytes."""

    def __init__(self, url: str, size: int) -> None:
        super().__init__(f"no ranges at {url}")
        self.size = size


class RangeFile(io.RawIOBase):
    """Reads `url` piece by piece; `NoRanges` when the server does not serve them."""

    def __init__(self, client: httpx.Client, url: str) -> None:
        self._client = client
        self._url = url
        self._at = 0
        head = client.head(url).raise_for_status()
        if "content-length" not in head.headers:
            raise ValueError(f"no length at {url}")
        self._size = int(head.headers["content-length"])
        if head.headers.get("accept-ranges") == "none":
            raise NoRanges(url, self._size)

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
        span = f"bytes={self._at}-{self._at + wanted - 1}"
        answer = self._client.get(self._url, headers={"Range": span}).raise_for_status()
        if answer.status_code != 206:
            raise NoRanges(self._url, self._size)
        target[: len(answer.content)] = answer.content
        self._at += len(answer.content)
        return len(answer.content)
