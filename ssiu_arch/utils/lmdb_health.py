"""Reading an LMDB in a process of its own: a damaged one does not raise, it kills the process or never ends.

``python -m ssiu_arch.utils.lmdb_health FOLDER KEY ...`` prints what is wrong and leaves with 1, or nothing and 0.
"""

import signal
import subprocess
import sys
from pathlib import Path

from ssiu_arch.utils.errors import UserError

PATIENCE = 60  # seconds


def check(where: str, folder: str, keys: list[str]) -> None:
    """Whether every listed key is in a database, and the images of some can be read from it.

    Args:
        where: the data set in the option file.
        folder: an LMDB folder whose ``data.mdb`` is as long as it should be (``data.lmdb_sets.check_file_size``).
        keys: the keys to read.

    Raises:
        UserError: a key is missing, or the database is damaged.
    """
    command = [sys.executable, "-m", "ssiu_arch.utils.lmdb_health", folder, *keys]
    again = "the database is damaged, copy or prepare it again"
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired as error:
        raise UserError(f"{where}: {folder} cannot be read in {PATIENCE} s: {again}") from error
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        raise UserError(f"{where}: reading {folder} ends the process that does it ({name}): {again}")
    if done.returncode:
        said = (done.stdout.strip() or done.stderr.strip()).splitlines()
        raise UserError(f"{where}: {folder}: {said[-1] if said else 'cannot be read'}")


def problem(folder: Path, keys: list[str]) -> str | None:
    """The first thing that is wrong with a database, None if there is nothing."""
    import lmdb

    lines = (folder / "meta_info.txt").read_text(encoding="utf-8").splitlines()
    listed = {line.split(".")[0] for line in lines}
    try:
        environment = lmdb.open(str(folder), readonly=True, lock=False, readahead=False)
        with environment, environment.begin() as transaction:
            stored = set()
            for number, stored_key in enumerate(transaction.cursor().iternext(values=False)):
                if number > environment.stat()["entries"]:
                    return "its pages point at each other in a circle: prepare it again"
                stored.add(stored_key.decode("ascii", "backslashreplace"))
            missing = sorted(listed - stored)
            if missing:
                return f"{len(missing)} keys of meta_info.txt are not in data.mdb ({missing[0]}): prepare it again"
            for key in keys:
                if not transaction.get(key.encode()):
                    return f"{key} holds nothing: prepare it again"
    except lmdb.Error as error:
        return f"damaged, prepare it again ({error})"
    return None


if __name__ == "__main__":
    found = problem(Path(sys.argv[1]), sys.argv[2:])
    if found:
        print(found)
    sys.exit(1 if found else 0)
