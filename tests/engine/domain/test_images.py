"""What a vision model is sent, and what is refused."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from routenator.engine.domain.images import check_image, load_image_data_url
from routenator.engine.errors import ImageError


def decode(data_url: str) -> Image.Image:
    head, _, body = data_url.partition(",")
    assert head in ("data:image/png;base64", "data:image/jpeg;base64")
    return Image.open(io.BytesIO(base64.b64decode(body, validate=True)))


def save(path: Path, size: tuple[int, int], mode: str = "RGB", **options: object) -> Path:
    Image.effect_noise(size, 50).convert(mode).save(path, **options)
    return path


def test_a_small_png_goes_out_byte_for_byte(tiny: Path) -> None:
    path = tiny / "images" / "cat.png"
    url, sha256, size = load_image_data_url(path)
    assert base64.b64decode(url.removeprefix("data:image/png;base64,")) == path.read_bytes()
    assert sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert size == (96, 96)


@pytest.mark.parametrize(("name", "kind"), [("a.png", "PNG"), ("a.jpg", "JPEG"), ("a.webp", "PNG")])
def test_an_oversize_image_is_scaled_down_in_proportion(tmp_path: Path, name: str, kind: str) -> None:
    path = save(tmp_path / name, (400, 200))
    url, sha256, size = load_image_data_url(path, max_side=100)
    image = decode(url)
    assert (image.format, image.size, size) == (kind, (100, 50), (100, 50))
    assert sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16", "CMYK"])
def test_every_pixel_format_can_be_sent(tmp_path: Path, mode: str) -> None:
    source = Image.new("L", (64, 32), 128)
    image = source.convert("I").convert("I;16") if mode == "I;16" else source.convert(mode)
    path = tmp_path / ("a.jpg" if mode == "CMYK" else "a.png")
    image.save(path)
    assert decode(load_image_data_url(path, max_side=16).data_url).size == (16, 8)


def test_a_photo_that_lies_on_its_side_is_turned_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = save(tmp_path / "a.jpg", (40, 20), exif=exif)
    assert decode(load_image_data_url(path).data_url).size == (20, 40)


def test_only_the_first_picture_of_an_animation_is_sent(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert decode(load_image_data_url(tmp_path / "a.gif").data_url).convert("RGB").getpixel((0, 0)) == (255, 0, 0)


@pytest.mark.parametrize(
    ("data", "message"), [(b"", "0 bytes"), (b"rubbish", "not a PNG"), (b"GIF89a", "cannot be decoded")]
)
def test_what_is_no_image_is_an_image_error(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "a.png").write_bytes(data)
    for read in (check_image, load_image_data_url):
        with pytest.raises(ImageError, match=message):
            read(tmp_path / "a.png")


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
def test_a_truncated_image_is_an_image_error(tmp_path: Path, suffix: str) -> None:
    path = save(tmp_path / f"a.{suffix}", (64, 64))
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ImageError, match="cannot be decoded"):
        load_image_data_url(path)


@pytest.mark.parametrize("side", [7_000, 12_000, 100_000])
def test_a_decompression_bomb_is_refused_before_it_is_decoded(
    tmp_path: Path, png_bomb: Callable[[int], bytes], side: int
) -> None:
    (tmp_path / "a.png").write_bytes(png_bomb(side))
    for read in (check_image, load_image_data_url):
        with pytest.raises(ImageError, match="too many pixels"):
            read(tmp_path / "a.png")


def test_the_pixel_limit_is_the_callers(tiny: Path) -> None:
    with pytest.raises(ImageError, match="the limit is 100"):
        load_image_data_url(tiny / "images" / "cat.png", max_pixels=100)


def test_a_missing_image_is_an_image_error(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no such image file"):
        load_image_data_url(tmp_path / "a.png")


def test_a_url_is_never_fetched() -> None:
    for url in ("http://169.254.169.254/", "file:///etc/passwd"):
        with pytest.raises(ImageError, match="no such image file"):
            load_image_data_url(Path(url))
