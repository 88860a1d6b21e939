"""Files of Iceberg's metadata and data as pyiceberg asks for them, over the pipeline's own client of S3."""

from functools import cached_property
from io import SEEK_CUR, SEEK_END, SEEK_SET, BytesIO
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from pyiceberg.io import FileIO, InputFile, InputStream, OutputFile, OutputStream

from include.common.settings import aws_client
from include.lake.files import WriteOnceFile, is_there, lake_errors, read_file

METADATA = "/metadata/"
"""What is in the key of each file of Iceberg's own."""

END_BYTES = 1 << 16
"""How much of a data file's end is read at once, with its size: what Arrow looks at first. Source: Parquet's
`kDefaultFooterReadSize` in cpp/src/parquet/file_reader.cc of Arrow."""


def _place(location: str) -> tuple[str, str]:
    """The bucket and the key that a location names."""
    parts = urlsplit(location)
    return parts.netloc, parts.path.lstrip("/")


class BucketIO(FileIO):
    """The buckets: what is there is read, what is new is written once; data files are never deleted."""

    def new_input(self, location: str) -> InputFile:
        """The file at a location."""
        return _Input(location)

    def new_output(self, location: str) -> OutputFile:
        """A file to be written to a location."""
        return _Output(location)

    def delete(self, location: str | InputFile | OutputFile) -> None:
        """Delete a file of metadata. Raises: PermissionError for any other: data is kept."""
        name = location if isinstance(location, str) else location.location
        if METADATA not in name:
            raise PermissionError(f"{name} is data, which the lake keeps")
        bucket, key = _place(name)
        with lake_errors(bucket, key):
            aws_client("s3").delete_object(Bucket=bucket, Key=key)


class _Input(InputFile):
    def __len__(self) -> int:
        return self._end[0]

    @cached_property
    def _end(self) -> tuple[int, bytes]:
        """The file's size, and the last END_BYTES of it: one request, where asking for the size would be another."""
        content, whole = _read_part(self.location, f"-{END_BYTES}")
        return whole, content

    def exists(self) -> bool:
        return is_there(*_place(self.location))

    def open(self, seekable: bool = True) -> InputStream:  # noqa: ARG002 - it is, or held whole
        if METADATA in self.location:
            return BytesIO(read_file(*_place(self.location)))
        return _Ranges(self.location, *self._end)


def _read_part(location: str, part: str) -> tuple[bytes, int]:
    """A part of a file, and the size of the whole. part: as HTTP has it, `0-99`, or `-100` for the end."""
    bucket, key = _place(location)
    with lake_errors(bucket, key):
        answer = aws_client("s3").get_object(Bucket=bucket, Key=key, Range=f"bytes={part}")
        return answer["Body"].read(), int(answer["ContentRange"].rpartition("/")[2])


class _Ranges:
    """A file of which only parts are read, as of a Parquet file's end."""

    closed = False

    def __init__(self, location: str, size: int, end: bytes) -> None:
        self._location, self._size, self._end, self._at = location, size, end, 0

    def read(self, size: int = -1) -> bytes:
        """As many bytes as are asked for, from where it is."""
        start, end = self._at, self._size if size < 0 else min(self._at + size, self._size)
        if end <= start:
            return b""
        self._at = end
        known = self._size - len(self._end)
        if start >= known:
            return self._end[start - known : end - known]
        return _read_part(self._location, f"{start}-{end - 1}")[0]

    def seek(self, offset: int, whence: int = SEEK_SET) -> int:
        """Go to a place, and say where that is."""
        self._at = offset + {SEEK_SET: 0, SEEK_CUR: self._at, SEEK_END: self._size}[whence]
        return self._at

    def tell(self) -> int:
        """Where it is."""
        return self._at

    def seekable(self) -> bool:
        """True: what Arrow asks of a file."""
        return True

    def readable(self) -> bool:
        """True."""
        return True

    def flush(self) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing is held."""
        self.closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Output(OutputFile):
    def __init__(self, location: str) -> None:
        super().__init__(location)
        self._file = WriteOnceFile(*_place(location))

    def __len__(self) -> int:
        return self._file.size

    def exists(self) -> bool:
        return self._file.closed or is_there(*_place(self.location))

    def to_input_file(self) -> InputFile:
        return _Input(self.location)

    def create(self, overwrite: bool = False) -> OutputStream:  # noqa: ARG002 - every name is new
        return _Written(self._file)


class _Written:
    """A file that is whole once it is closed."""

    def __init__(self, file: WriteOnceFile) -> None:
        self._file = file.__enter__()

    def write(self, b: bytes) -> int:
        """Take bytes."""
        return self._file.write(b)

    def close(self) -> None:
        """Make it whole. May be repeated."""
        if not self._file.closed:
            self._file.__exit__(None, None, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._file.__exit__(kind, error, trace)
        self.close()
