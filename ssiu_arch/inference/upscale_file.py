"""One image file, enlarged into another."""

from dataclasses import replace

from ssiu_arch.inference.formats import check_format, encode
from ssiu_arch.inference.jobs import Job
from ssiu_arch.inference.photo import photo_size, read_photo
from ssiu_arch.inference.upscaler import Advance, Upscaler, upscaled_alpha
from ssiu_arch.utils.errors import UserError
from ssiu_arch.utils.files import write_file
from ssiu_arch.utils.image_files import BadImage
from ssiu_arch.utils.memory import is_out_of_memory


def upscale_file(job: Job, upscaler: Upscaler, quality: int, advance: Advance = lambda share: None) -> tuple[int, int]:
    """Enlarge ``job.source`` into ``job.target``, which is there as a whole or not at all.

    An image whose format changes is turned upright, for many viewers pass over a PNG's orientation.

    Args:
        job: what to do.
        upscaler: by what.
        quality: see ``encode``.
        advance: see ``Upscaler.bands``.

    Returns:
        Height and width of the result.

    Raises:
        UserError: the image cannot be read, upscaled in the memory there is, or written as asked.
    """
    height, width = photo_size(job.source)
    try:
        upscaler.check_memory(height, width)
    except UserError as error:
        raise BadImage(f"{job.source}: {error}") from error
    photo = read_photo(job.source)
    if job.form != photo.format or job.form == "BMP":
        photo = photo.upright()
    check_format(photo, job.form, upscaler.upscale, job.source)
    try:
        passes = 1 if photo.alpha is None else 2
        colour = upscaler(photo.colour, lambda share: advance(share / passes))
        alpha = None
        if photo.alpha is not None:
            alpha = upscaled_alpha(upscaler, photo.alpha, lambda share: advance(share / passes))
        data = encode(replace(photo, colour=colour, alpha=alpha), job.form, quality)
    except UserError as error:
        raise BadImage(f"{job.source}: {error}") from error
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise BadImage(f"{job.source}: memory does not do; try --tile 256, or cut the image into parts") from error
    write_file(job.target, data)
    return colour.shape[0], colour.shape[1]
