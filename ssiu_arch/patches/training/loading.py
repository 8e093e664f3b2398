"""Loading samples: errors that name the image, and workers that start once."""

from itertools import chain
from typing import Any

from ssiu_arch.patches.patch import Function, replaces
from ssiu_arch.utils.errors import UserError


class NamedBytes(bytes):
    """The bytes of a file, or of a value in an LMDB, with where they are from."""

    source: str


@replaces(
    "basicsr.utils.file_client:FileClient.get",
    "basicsr.utils.img_util:imfrombytes",
    "basicsr.data.transforms:paired_random_crop",
    upstream="basicsr/utils/img_util.py:131, utils/file_client.py:124, data/transforms.py:66",
    is_needed=lambda get, decode, crop: "raise" not in decode,
)
def image_errors(get: Function, decode: Function, crop: Function) -> list[Function]:
    """A damaged image, a missing LMDB key or a pair of other sizes ends in a traceback that does not name it."""

    import cv2

    def named_get(self: Any, filepath: str, client_key: str = "default") -> NamedBytes:
        """BasicSR's ``get``; raises ``UserError`` if there is no such file, or key in the LMDB ``client_key``."""
        databases = getattr(self.client, "_client", {}) if self.backend == "lmdb" else {}
        database = databases.get(client_key)
        source = str(filepath) if database is None else f"{database.path()}, key {filepath}"
        try:
            held = get(self, filepath, client_key)
        except OSError as error:
            raise UserError(f"{source}: cannot be read ({error.strerror or error})") from error
        except UnicodeEncodeError as error:
            raise UserError(f"{source}: BasicSR reads only ASCII keys: prepare the LMDB again") from error
        if held is None:
            raise UserError(f"{source}: meta_info.txt lists it, but data.mdb lacks it: prepare the LMDB again")
        named = NamedBytes(held)
        named.source = source
        return named

    def imfrombytes(content: bytes, flag: str = "color", float32: bool = False) -> Any:
        """BasicSR's ``imfrombytes``: an image (H, W, 3), BGR; raises ``UserError`` if it is not one."""
        try:
            return decode(content, flag, float32)
        except (AttributeError, cv2.error) as error:
            source, size = getattr(content, "source", "an image"), len(content)
            raise UserError(
                f"{source}: is damaged or not an image ({size} bytes): download or export it again"
            ) from error

    def paired_random_crop(gts: Any, lqs: Any, size: int, scale: int, gt_path: str | None = None) -> Any:
        """BasicSR's ``paired_random_crop``; raises ``UserError`` if GT is not scale x LQ, or below the patch."""
        try:
            return crop(gts, lqs, size, scale, gt_path)
        except ValueError as error:
            reason = " ".join("".join(map(str, error.args)).split())
            raise UserError(f"{gt_path}: {reason}") from error

    return [named_get, imfrombytes, paired_random_crop]


# ``prefetch_mode: cpu`` has a thread that takes batches from the loader and puts them into a queue. An exception ends
# the thread, and the training waits for ever. Without workers the thread makes the samples itself, and draws from the
# random generators of the network that is trained meanwhile. torch's workers prefetch by themselves, so the queue
# becomes theirs. ``CPUPrefetcher``, for this mode and for none, also starts the loader when it is made and again when
# the first epoch begins: workers that persist then serve both iterators at once.
@replaces(
    "basicsr.data.prefetch_dataloader:PrefetchDataLoader.__init__",
    "basicsr.data.prefetch_dataloader:PrefetchDataLoader.__iter__",
    "basicsr.data.prefetch_dataloader:CPUPrefetcher.__init__",
    upstream="basicsr/data/prefetch_dataloader.py:25, 58 and 72",
    is_needed=lambda make, begin, start: "PrefetchGenerator" in begin or "iter(loader)" in start,
)
def cpu_prefetcher(make: Function, begin: Function, start: Function) -> list[Function]:
    """`prefetch_mode: cpu` hangs when an image cannot be read, fails with `persistent_workers: true`, and without
    workers disturbs the random numbers of dropout.
    """

    from torch.utils.data import DataLoader

    def __init__(self: Any, num_prefetch_queue: int, **options: Any) -> None:
        if options.get("num_workers"):
            options["prefetch_factor"] = 1 + num_prefetch_queue  # batches that each worker makes in advance
        make(self, num_prefetch_queue, **options)

    def start_later(self: Any, loader: Any) -> None:
        self.ori_loader, self.loader = loader, chain.from_iterable([loader])  # starts at the first batch

    return [__init__, lambda self: DataLoader.__iter__(self), start_later]
