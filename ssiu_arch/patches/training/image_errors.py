"""What is wrong with an image is told without its name: ``'NoneType' has no attribute 'astype'``, a bare mismatch."""

from typing import Any

from ssiu_arch.patches.patch import Repair, is_ours, replace_everywhere
from ssiu_arch.utils.errors import UserError


class NamedBytes(bytes):
    """The bytes of a file, or of a value in an LMDB, that know where they are from."""

    source: str


def _is_needed() -> bool:
    from basicsr.utils import FileClient

    return not is_ours(FileClient.get)


def _apply() -> None:
    import cv2
    from basicsr.data import transforms
    from basicsr.utils import FileClient, img_util

    get, decode, crop = FileClient.get, img_util.imfrombytes, transforms.paired_random_crop

    def named_get(self: Any, filepath: str, client_key: str = "default") -> NamedBytes:
        """BasicSR's ``get``: the bytes of a file, or of a key of the LMDB ``client_key``.

        Raises:
            UserError: there is no such file or key.
        """
        source = _source(self, filepath, client_key)
        try:
            held = get(self, filepath, client_key)
        except OSError as error:
            raise UserError(f"{source}: cannot be read ({error.strerror or error})") from error
        except UnicodeEncodeError as error:
            raise UserError(f"{source}: BasicSR reads keys of ASCII only: prepare the LMDB again") from error
        if held is None:
            raise UserError(f"{source}: meta_info.txt names it, but it is not in data.mdb: prepare the LMDB again")
        named = NamedBytes(held)
        named.source = source
        return named

    def imfrombytes(content: bytes, flag: str = "color", float32: bool = False) -> Any:
        """BasicSR's ``imfrombytes``: an image (H, W, 3), BGR.

        Raises:
            UserError: it is no image.
        """
        try:
            return decode(content, flag, float32)
        except (AttributeError, cv2.error) as error:
            source = getattr(content, "source", "an image")
            raise UserError(
                f"{source}: is damaged, or no image ({len(content)} bytes): fetch or export it again"
            ) from error

    def paired_random_crop(gts: Any, lqs: Any, size: int, scale: int, gt_path: str | None = None) -> Any:
        """BasicSR's ``paired_random_crop``.

        Raises:
            UserError: GT is not LQ times the scale, or smaller than the patch.
        """
        try:
            return crop(gts, lqs, size, scale, gt_path)
        except ValueError as error:
            reason = " ".join("".join(map(str, error.args)).split())
            raise UserError(f"{gt_path}: {reason}") from error

    FileClient.get = named_get
    replace_everywhere(decode, imfrombytes)
    replace_everywhere(crop, paired_random_crop)


def _source(client: Any, filepath: str, client_key: str) -> str:
    databases = getattr(client.client, "_client", {}) if client.backend == "lmdb" else {}
    path = getattr(databases.get(client_key), "path", None)
    return f"{path()}, key {filepath}" if path else str(filepath)


REPAIR = Repair(
    defect="a damaged image, a missing LMDB key or a pair of other sizes ends in a traceback that does not name it",
    upstream="basicsr/utils/img_util.py:131, utils/file_client.py:124, data/transforms.py:66",
    until="BasicSR names what it cannot read",
    is_needed=_is_needed,
    apply=_apply,
)
