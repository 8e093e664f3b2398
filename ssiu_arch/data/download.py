"""Fetching archives over HTTP: goes on where it was interrupted, and checks what it got."""

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

CHUNK = 2**20
TIMEOUT = 60  # seconds without a byte
PATIENCE = 5  # attempts in a row that bring nothing


@dataclass(frozen=True)
class Download:
    """A file on the web.

    Args:
        url: Where it is.
        name: What to call it here.
        size: Its bytes, where they are known.
        md5: Its MD5, where a trustworthy one is known.
    """

    url: str
    name: str
    size: int | None = None
    md5: str | None = None


def fetch(item: Download, folder: Path, pause: float = 2.0) -> Path:
    """Download ``item`` into ``folder`` unless it is there, going on with ``NAME.part`` if that is there.

    Args:
        item: What to fetch.
        folder: Where to; made if need be.
        pause: Seconds before the first new attempt; doubled each time in a row that brings nothing.

    Returns:
        The file, complete and of the right size and MD5 where these are known.

    Raises:
        UserError: If the server gives up, the contents are wrong, or the disk is full.
    """
    path, part = folder / item.name, folder / f"{item.name}.part"
    if path.exists():
        return path
    with writing(part):
        folder.mkdir(parents=True, exist_ok=True)
        part.touch()
    failures, complete = 0, False
    while not complete:
        before = part.stat().st_size
        try:
            complete = _fetch_more(item, part)
        except urllib.error.HTTPError as error:
            raise UserError(
                f"{item.url}: the server says {error.code} {error.reason}; try later or fetch it yourself to {path}"
            ) from None
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            failures = 0 if part.stat().st_size > before else failures + 1
            if failures >= PATIENCE:
                raise UserError(
                    f"{item.url}: {reason}; {part} holds what came, run the same command to go on"
                ) from None
            print(f"{item.name}: connection lost ({reason}), going on", file=sys.stderr)
            time.sleep(pause * 2**failures)
    _check(item, part)
    with writing(path):
        part.replace(path)
    return path


def _fetch_more(item: Download, part: Path) -> bool:
    """Append to ``part`` what the server sends from there on; whether it is complete then.

    Raises:
        OSError, HTTPException: If the connection breaks, or ends too soon.
    """
    have = part.stat().st_size
    if item.size is not None and have == item.size:
        return True
    request = urllib.request.Request(item.url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == 416 and error.headers.get("Content-Range") == f"bytes */{have}":
            return True  # there is nothing after what we have
        if error.code == 416:
            part.unlink()  # what we have is longer than the file: begin again
            part.touch()
            return False
        raise
    with response:
        goes_on = response.status == 206
        total = int(response.headers.get("Content-Length", 0)) + (have if goes_on else 0)
        with writing(part):
            file = open(part, "ab" if goes_on else "wb")  # noqa: SIM115 (closed below; a server may ignore Range)
        with (
            file,
            tqdm(
                total=total or None,
                initial=have if goes_on else 0,
                unit="B",
                unit_scale=True,
                desc=item.name,
                file=sys.stderr,
            ) as bar,
        ):
            while chunk := response.read(CHUNK):
                with writing(part):
                    file.write(chunk)
                bar.update(len(chunk))
    size = part.stat().st_size
    if total and size < total:
        raise http.client.IncompleteRead(b"", total - size)
    return True


def _check(item: Download, part: Path) -> None:
    """Compare size and MD5 with what is known; a wrong file is removed, so that the next run begins anew."""
    size = part.stat().st_size
    if item.size is not None and size != item.size:
        part.unlink()
        raise UserError(
            f"{item.url}: sent {size} bytes, not {item.size}; removed, run the same command to fetch it again"
        )
    if item.md5 is None:
        return
    digest = hashlib.md5(usedforsecurity=False)
    with open(part, "rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    if digest.hexdigest() != item.md5:
        part.unlink()
        raise UserError(
            f"{item.url}: sent a file of MD5 {digest.hexdigest()}, not {item.md5}; removed, "
            "run the same command to fetch it again"
        )
