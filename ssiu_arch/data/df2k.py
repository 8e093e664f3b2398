"""DF2K, the training set of SSIU and its peers: the 800 images of DIV2K and the 2650 of Flickr2K."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ssiu_arch.data.download import Download, fetch
from ssiu_arch.data.prepare import SubImageSet, is_finished, prepare, say
from ssiu_arch.data.sources import Source, from_archive, from_folder
from ssiu_arch.data.sub_images import Recipe
from ssiu_arch.utils.errors import UserError

DEPTH = 4  # how deep below the source folder images are looked for


@dataclass(frozen=True)
class Part:
    """One of the two data sets: how its images are called, where they may be, where they come from."""

    name: str
    digits: int
    count: int
    folders: tuple[str, ...]
    archives: tuple[str, ...]
    download: Download

    @property
    def keys(self) -> list[str]:
        """``0001`` to ``0800``, or ``000001`` to ``002650``."""
        return [f"{number:0{self.digits}d}" for number in range(1, self.count + 1)]


# The MD5 are those that several independent loaders of these files check against.
PARTS = (
    Part(
        "DIV2K",
        4,
        800,
        ("DIV2K_train_HR", "DIV2K_HR", "DIV2K"),
        ("DIV2K_train_HR.zip", "DIV2K.tar"),
        Download(
            "https://data.vision.ee.ethz.ch/cvl/DIV2K/DIV2K_train_HR.zip",
            "DIV2K_train_HR.zip",
            3530603713,
            "bdc2d9338d4e574fe81bf7d158758658",
        ),
    ),
    Part(
        "Flickr2K",
        6,
        2650,
        ("Flickr2K_HR", "Flickr2K"),
        ("Flickr2K.tar", "Flickr2K.zip", "Flickr2K_HR.zip"),
        Download(
            "https://cv.snu.ac.kr/research/EDSR/Flickr2K.tar",
            "Flickr2K.tar",
            None,
            "5d3f39443d5e9489bff8963f8f26cb03",
        ),
    ),
)


def prepare_df2k(
    source: Path,
    root: Path,
    recipe: Recipe,
    *,
    jobs: int = 1,
    force: bool = False,
    skip_bad: bool = False,
    dry_run: bool = False,
    download: bool = False,
    parts: tuple[Part, ...] = PARTS,
) -> None:
    """Make ``root/DF2K`` from DIV2K and Flickr2K as they are below ``source``: folders, archives, or some of both.

    Archives are read in place. ``download`` fetches what is missing into ``source`` first.

    Raises:
        UserError: Naming what is missing; see ``prepare`` for the rest.
    """
    target = SubImageSet("DF2K", root / "DF2K", recipe)
    if not force and is_finished(target):
        say(f"DF2K: finished before, nothing to do ({target.record})")
        return
    sources: list[Source] = []
    for part in parts:
        found = find(part, source)
        if download and len(found) < part.count:
            archive = fetch(part.download, source)
            found = _merge(part, [*found.values(), *from_archive(archive)])
        _check_complete(part, found, source, skip_bad)
        sources += [found[key] for key in sorted(found)]
    prepare(target, sources, jobs=jobs, force=force, skip_bad=skip_bad, dry_run=dry_run)


def find(part: Part, source: Path) -> dict[str, Source]:
    """The images of ``part`` below ``source`` by key: unpacked ones first, the others from an archive."""
    if not source.is_dir():
        return {}
    candidates: list[Source] = []
    archives: list[Source] = []
    for path in _below(source, DEPTH):
        if path.is_dir() and path.name in part.folders:
            candidates += from_folder(path)
        elif path.is_file() and path.name in part.archives:
            archives += from_archive(path)
    packed = _merge(part, archives)
    # A file shorter than its packed original was being unpacked when that stopped.
    whole = [item for item in candidates if item.key not in packed or packed[item.key].size == item.size]
    return {**packed, **_merge(part, whole)}


def _merge(part: Part, sources: list[Source]) -> dict[str, Source]:
    """Of ``sources`` the first for each key of ``part``; LR images and other files fall out."""
    wanted = set(part.keys)
    merged: dict[str, Source] = {}
    for item in sources:
        folders = PurePosixPath(item.member).parts[:-1]
        if item.key in wanted and not any("LR" in name for name in folders):
            merged.setdefault(item.key, item)
    return merged


def _check_complete(part: Part, found: dict[str, Source], source: Path, skip_bad: bool) -> None:
    missing = [key for key in part.keys if key not in found]
    if not missing or (found and skip_bad):
        if missing:
            say(f"{part.name}: {len(missing)} of {part.count} images missing, going on without them")
        return
    if not found:
        raise UserError(
            f"{source}: holds no {part.name}; put {part.archives[0]} ({part.download.url}) or the folder "
            f"{part.folders[0]} there, or let --download fetch it"
        )
    raise UserError(
        f"{source}: {len(missing)} of {part.count} images of {part.name} are missing, the first is {missing[0]}.png; "
        "add them, or use --download, or --skip-bad to go on without"
    )


def _below(folder: Path, depth: int) -> list[Path]:
    """Everything down to ``depth`` levels below ``folder``, sorted, hidden ones left out."""
    try:
        inside = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise UserError(f"{folder}: cannot be read ({error.strerror})") from None
    deeper = [path for path in inside if depth > 1 and path.is_dir() and not path.name.endswith(".lmdb")]
    return inside + [path for child in deeper for path in _below(child, depth - 1)]
