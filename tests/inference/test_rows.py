import torch

from ssiu_arch.inference.strips import Rows


def rows_of(full, room, mirrored=True):
    return Rows(full.shape[1], full.shape[2], full[..., :0].new_empty(0, full.shape[3]), room=room, mirrored=mirrored)


def wide(full, lo, hi):
    """Rows of a map with border columns that mean nothing."""
    part = full[:, lo:hi]
    return torch.cat([part[:, :, :1] + 99, part, part[:, :, :1] - 99], dim=2)


def test_border_is_reflect_padding():
    full = torch.randn(1, 6, 5, 4)
    rows = rows_of(full, room=6)
    for lo in range(0, 6, 2):
        rows.append(wide(full, lo, lo + 2))
    expected = torch.nn.functional.pad(full.permute(0, 3, 1, 2), [1] * 4, mode="reflect").permute(0, 2, 3, 1)
    assert torch.equal(rows[-1:7], expected)


def test_a_border_of_zeros():
    full = torch.randn(1, 6, 5, 4)
    rows = rows_of(full, room=2, mirrored=False)
    for lo in range(0, 6, 2):
        rows.append(wide(full, lo, lo + 2))
    assert torch.equal(rows[-1:7], torch.nn.functional.pad(full, [0, 0, 1, 1, 1, 1]))
    again = rows.restart()
    again.append(wide(full, 0, 6))
    assert torch.equal(again[-1:7], rows[-1:7])


def test_rows_that_are_still_read_survive_moving_and_growing():
    full = torch.randn(1, 40, 5, 4)
    rows = rows_of(full, room=4)
    for lo in range(40):
        rows.append(wide(full, lo, lo + 1))
        rows.release(lo - 6 if lo < 20 else lo - 11)  # never to be read again, however late it is called
        first = max(lo - 6 if lo < 26 else lo - 11, 0) if lo < 20 else max(lo - 11, 14)
        assert torch.equal(rows[max(first, rows.live) : lo + 1][:, :, 1:-1], full[:, max(first, rows.live) : lo + 1])
    assert rows.storage.shape[1] < 24


def test_released_rows_make_room():
    full = torch.randn(1, 1000, 3, 2)
    rows = rows_of(full, room=8)
    for lo in range(0, 1000, 4):
        rows.append(wide(full, lo, lo + 4))
        rows.release(lo)
    assert rows.storage.shape[1] == 8 + 2


def test_the_border_above_stays_until_it_is_released():
    full = torch.randn(1, 30, 3, 2)
    rows = rows_of(full, room=2)
    for lo in range(30):
        rows.append(wide(full, lo, lo + 1))
    assert torch.equal(rows[-1:0][:, :, 1:-1], full[:, 1:2])


def test_restart_is_another_map_in_the_same_storage():
    full = torch.randn(1, 6, 5, 4)
    rows = rows_of(full, room=6)
    rows.append(wide(full, 0, 6))
    again = rows.restart()
    again.append(wide(full * 2, 0, 6))
    assert again.storage is rows.storage
    assert torch.equal(again[0:6][:, :, 1:-1], full * 2)
    assert rows.end == again.end == 6
