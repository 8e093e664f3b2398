"""Errors about an image do not name it: ``'NoneType' has no attribute 'astype'``, or a mismatch without a path."""

from typing import Any

from ssiu_arch.patches.patch import Function, replaces, source
from ssiu_arch.utils.errors import UserError


class NamedBytes(bytes):
    """The bytes of a file, or of a value in an LMDB, with where they are from."""

    source: str


@replaces(
    "basicsr.utils.file_client:FileClient.get",
    "basicsr.utils.img_util:imfrombytes",
    "basicsr.data.transforms:paired_random_crop",
    upstream="basicsr/utils/img_util.py:131, utils/file_client.py:124, data/transforms.py:66",
    is_needed=lambda get, decode, crop: "raise" not in source(decode),
)
def patch(get: Function, decode: Function, crop: Function) -> list[Function]:
    """A damaged image, a missing LMDB key or a pair of other sizes ends in a traceback that does not name it."""

    import cv2

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
            raise UserError(f"{source}: BasicSR reads only ASCII keys: prepare the LMDB again") from error
        if held is None:
            raise UserError(f"{source}: meta_info.txt lists it, but data.mdb lacks it: prepare the LMDB again")
        named = NamedBytes(held)
        named.source = source
        return named

    def imfrombytes(content: bytes, flag: str = "color", float32: bool = False) -> Any:
        """BasicSR's ``imfrombytes``: an image (H, W, 3), BGR.

        Raises:
            UserError: it is not an image.
        """
        try:
            return decode(content, flag, float32)
        except (AttributeError, cv2.error) as error:
            source = getattr(content, "source", "an image")
            raise UserError(
                f"{source}: is damaged or not an image ({len(content)} bytes): download or export it again"
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

    return [named_get, imfrombytes, paired_random_crop]


def _source(client: Any, filepath: str, client_key: str) -> str:
    databases = getattr(client.client, "_client", {}) if client.backend == "lmdb" else {}
    path = getattr(databases.get(client_key), "path", None)
    return f"{path()}, key {filepath}" if path else str(filepath)
