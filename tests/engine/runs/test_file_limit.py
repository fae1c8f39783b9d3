import pytest

from routenator.engine.runs.file_limit import FILES_BESIDE_CALLS, fit_to_file_limit


@pytest.mark.parametrize(("wanted", "workers", "files"), [(64, 1, 1024), (1024, 2, 65_536), (160, 1, 256)])
def test_what_fits_is_left_alone(wanted, workers, files):
    assert fit_to_file_limit(wanted, workers, files) == (wanted, None)


def test_what_does_not_fit_is_lowered_and_said():
    possible, notice = fit_to_file_limit(1024, 2, 256)
    assert possible == 2 * (256 - FILES_BESIDE_CALLS)
    assert "256 files" in notice
    assert f"{possible:,} samples" in notice


def test_there_is_always_room_for_one_sample():
    assert fit_to_file_limit(64, 1, 10)[0] == 1
