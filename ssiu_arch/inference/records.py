"""What made the results in a folder, so that a repeated run does what is left or was made otherwise."""

import hashlib
import json
from pathlib import Path
from typing import Any

from ssiu_arch.utils.files import sha256, writing

NAME = ".ssiu_upscale.jsonl"


class Records:
    """The records of results, in a hidden file of each output folder.

    Each result has a line of JSON: its name, the SHA-256 of its bytes, and what made it. It is appended just before the
    result gets its name: after a kill there may be a record without a result, never a result without its record.
    Several processes may append at once, and see each other's lines. A line that is cut off is ignored.
    """

    def __init__(self) -> None:
        self._read: dict[Path, int] = {}  # bytes of each file of records
        self._known: dict[tuple[Path, str], dict[str, Any]] = {}  # by result and its SHA-256

    def add(self, result: Path, data: bytes, made_of: dict[str, Any]) -> None:
        """Record that ``made_of`` makes ``data``, which will be written to ``result``.

        Raises:
            UserError: it cannot be written.
        """
        line = json.dumps({"result": result.name, "sha256": hashlib.sha256(data).hexdigest(), **made_of})
        path = result.with_name(NAME)
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(path, "ab", buffering=0) as file:
                file.write(f"\n{line}\n".encode())  # in one write, apart from what a killed process left

    def made_of(self, result: Path) -> dict[str, Any] | None:
        """What made the file ``result``; None: it is not as this command wrote it."""
        digest = sha256(result)
        self._catch_up(result.with_name(NAME))
        return self._known.get((result, digest))

    def _catch_up(self, path: Path) -> None:
        """Read what was appended since the last call."""
        try:
            with open(path, "rb") as file:
                file.seek(self._read.get(path, 0))
                new = file.read()
        except FileNotFoundError:
            return
        whole = new[: new.rfind(b"\n") + 1]
        self._read[path] = self._read.get(path, 0) + len(whole)
        for line in whole.splitlines():
            try:
                record = json.loads(line)
                self._known[path.with_name(record.pop("result")), record.pop("sha256")] = record
            except (ValueError, TypeError, KeyError, AttributeError):
                continue  # cut off by a kill, or not ours
