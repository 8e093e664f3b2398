"""Downloads archives over HTTP: resumes where it was interrupted, and checks the MD5."""

import hashlib
import http.client
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.files import writing

TIMEOUT = 60  # seconds without a byte
ATTEMPTS = 5  # in a row that bring nothing


@dataclass(frozen=True)
class Download:
    """A file on the web: its address, whose last part is its name here, and its MD5."""

    url: str
    md5: str


def fetch(item: Download, folder: Path, pause: float = 2.0) -> Path:
    """Download ``item`` into ``folder`` unless it exists; resumes from ``NAME.part``.

    ``pause`` is in seconds before the next attempt; it doubles after each attempt that brings nothing.

    Raises:
        UserError: the server refuses, the connection fails repeatedly, the MD5 is wrong, or the disk is full.
    """
    path = folder / item.url.rpartition("/")[2]
    part = path.with_name(f"{path.name}.part")
    if path.exists():
        return path
    with writing(part):
        folder.mkdir(parents=True, exist_ok=True)
        part.touch()
    failures, complete = 0, False
    while not complete:
        before = part.stat().st_size
        try:
            complete = _fetch_more(item.url, part, before)
        except urllib.error.HTTPError as error:
            if error.code != 416:  # 416: nothing follows, so the part is complete or belongs to another file
                said = f"HTTP error {error.code} {error.reason}; try again later, or download it to {path}"
                raise UserError(f"{item.url}: {said}") from None
            complete = True
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            failures = 0 if part.stat().st_size > before else failures + 1
            if failures >= ATTEMPTS:
                raise UserError(f"{item.url}: {reason}; run the same command again to resume from {part}") from None
            print(f"{path.name}: connection lost ({reason}), trying again", file=sys.stderr)
            time.sleep(pause * 2**failures)
    digest = hashlib.md5(usedforsecurity=False)
    with open(part, "rb") as file:
        while chunk := file.read(2**20):
            digest.update(chunk)
    if digest.hexdigest() != item.md5:
        part.unlink()
        raise UserError(
            f"{item.url}: the download has MD5 {digest.hexdigest()}, not {item.md5}, and was removed; "
            "run the same command to download it again"
        )
    with writing(path):
        part.replace(path)
    return path


def _fetch_more(url: str, part: Path, have: int) -> bool:
    """Append the rest of a file to ``part``, which has ``have`` bytes, and return True.

    Raises:
        OSError, HTTPException: the connection breaks or ends early.
    """
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
        if response.status != 206:  # the server ignores Range
            have = 0
        total = int(response.headers.get("Content-Length", 0)) + have
        with writing(part):
            file = open(part, "ab" if have else "wb")  # noqa: SIM115 (closed below)
        bar = tqdm(total=total or None, initial=have, unit="B", unit_scale=True, desc=part.stem, file=sys.stderr)
        with file, bar:
            while chunk := response.read(2**20):
                with writing(part):
                    file.write(chunk)
                bar.update(len(chunk))
    if part.stat().st_size < total:
        raise http.client.IncompleteRead(b"", total - part.stat().st_size)
    return True
