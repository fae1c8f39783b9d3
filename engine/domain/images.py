"""Images: checked when a pack is loaded, sent as ``data:`` URLs when a model is to see them."""

from __future__ import annotations

import base64
import hashlib
import io
import struct
import warnings
import zlib
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageOps, UnidentifiedImageError

from routenator.engine.errors import ImageError

IMAGE_FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
MAX_IMAGE_BYTES = 20_000_000
MAX_IMAGE_PIXELS = 40_000_000
MAX_SENT_SIDE = 768
"""Longest side in pixels of an image that goes to a model: small vision models scale to less than that anyway."""

_DECODER_ERRORS = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    KeyError,
    IndexError,
    TypeError,
    struct.error,
    zlib.error,
)

# Our own limit is lower than the one that Pillow warns about, and it is an error.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


class DataUrlImage(NamedTuple):
    """An image ready to be sent.

    Attributes:
        data_url: ``data:image/png;base64,...`` or the same for JPEG.
        sha256: Of the file's own bytes, so that the trace names what lies on the disk.
        size: Width and height in pixels of what is sent.
    """

    data_url: str
    sha256: str
    size: tuple[int, int]


def check_image(path: Path, max_pixels: int = MAX_IMAGE_PIXELS) -> tuple[int, int]:
    """Width and height of a plausible image: header, size limits and chunk checksums, but no full decoding.

    Raises:
        ImageError: Missing, empty, of another format, corrupt or too large.
    """
    _check_file_size(path)
    try:
        with _open(path, max_pixels) as image:
            image.verify()
            return image.size
    except Image.DecompressionBombError:
        raise ImageError(_too_large(max_pixels)) from None
    except _DECODER_ERRORS as exc:
        raise ImageError(f"the image cannot be decoded ({_reason(exc)})") from None


def load_image_data_url(path: Path, max_pixels: int = MAX_IMAGE_PIXELS, max_side: int = MAX_SENT_SIDE) -> DataUrlImage:
    """Decode an image in full and make the ``data:`` URL that a vision model gets.

    A PNG or JPEG that is small enough goes out as it is; anything else is scaled down to ``max_side`` and encoded anew.

    Args:
        path: A file; never a URL.
        max_pixels: Refuse images with more pixels, before they are decoded.
        max_side: Longest side in pixels of what is sent.

    Raises:
        ImageError: Missing, empty, of another format, corrupt or too large.
    """
    image, raw = _load(path, max_pixels)
    kind = image.format
    try:
        upright = ImageOps.exif_transpose(image)
        plain = upright.size == image.size and image.mode in ("1", "L", "LA", "P", "RGB", "RGBA")
        if plain and kind in ("PNG", "JPEG") and max(upright.size) <= max_side:
            data, mime, size = raw, f"image/{kind.lower()}", upright.size
        else:
            data, mime, size = _encode(upright, max_side, as_jpeg=kind == "JPEG")
    except _DECODER_ERRORS as exc:
        raise ImageError(f"the image cannot be converted ({_reason(exc)})") from None
    url = f"data:{mime};base64,{base64.b64encode(data).decode('ascii')}"
    return DataUrlImage(url, hashlib.sha256(raw).hexdigest(), size)


def load_image(path: Path, max_pixels: int = MAX_IMAGE_PIXELS) -> Image.Image:
    """Decode an image in full.

    Raises:
        ImageError: Missing, empty, of another format, corrupt or too large.
    """
    return _load(path, max_pixels)[0]


def _load(path: Path, max_pixels: int) -> tuple[Image.Image, bytes]:
    _check_file_size(path)
    try:
        raw = path.read_bytes()
        image = _open(io.BytesIO(raw), max_pixels)
        image.load()
    except Image.DecompressionBombError:
        raise ImageError(_too_large(max_pixels)) from None
    except _DECODER_ERRORS as exc:
        raise ImageError(f"the image cannot be decoded ({_reason(exc)})") from None
    return image, raw


def _encode(image: Image.Image, max_side: int, *, as_jpeg: bool) -> tuple[bytes, str, tuple[int, int]]:
    has_alpha = image.mode in ("LA", "PA", "RGBA", "RGBa") or "transparency" in image.info
    image = image.convert("RGBA" if has_alpha else "RGB")
    image.thumbnail((max_side, max_side))
    buffer = io.BytesIO()
    if as_jpeg:
        image.convert("RGB").save(buffer, "JPEG", quality=90)
        return buffer.getvalue(), "image/jpeg", image.size
    image.save(buffer, "PNG")
    return buffer.getvalue(), "image/png", image.size


def _open(source: Path | io.BytesIO, max_pixels: int) -> Image.Image:
    image = Image.open(source, formats=IMAGE_FORMATS)
    if image.width * image.height > max_pixels:
        image.close()
        raise Image.DecompressionBombError
    return image


def _check_file_size(path: Path) -> None:
    try:
        if not path.is_file():
            raise ImageError("no such image file")
        size_bytes = path.stat().st_size
    except OSError as exc:
        raise ImageError(f"the image cannot be read ({exc.strerror})") from None
    if size_bytes == 0:
        raise ImageError("the image file is empty (0 bytes)")
    if size_bytes > MAX_IMAGE_BYTES:
        raise ImageError(f"the image file has {size_bytes:,} bytes; the limit is {MAX_IMAGE_BYTES:,}")


def _too_large(max_pixels: int) -> str:
    return f"the image has too many pixels; the limit is {max_pixels:,}"


def _reason(exc: Exception) -> str:
    # Pillow puts the whole path, or the repr of a buffer, into "cannot identify image file ...".
    return "not a PNG, JPEG, WebP or GIF file" if isinstance(exc, UnidentifiedImageError) else str(exc) or "broken"
