"""When frames leave a delay line."""

from tunnelmgr.lab.namespaces import delay_line
from tunnelmgr.lab.namespaces.delay_line import DelayLine

HERE, THERE = 3, 4


def test_a_frame_leaves_at_the_other_end_after_the_delay() -> None:
    line = DelayLine(0.5)
    line.enter(b"a", THERE, now=10.0)
    assert line.next_at() == 10.5
    assert list(line.leaving(now=10.4)) == []
    assert list(line.leaving(now=10.5)) == [(THERE, b"a")]
    assert line.next_at() is None


def test_frames_keep_their_order_and_their_direction() -> None:
    line = DelayLine(0.5)
    for number, (frame, towards) in enumerate([(b"a", THERE), (b"b", HERE), (b"c", THERE)]):
        line.enter(frame, towards, now=float(number) / 10)
    assert list(line.leaving(now=0.65)) == [(THERE, b"a"), (HERE, b"b")]
    assert list(line.leaving(now=0.75)) == [(THERE, b"c")]


def test_a_full_line_loses_what_comes() -> None:
    line = DelayLine(0.5)
    for _ in range(delay_line.FRAMES_MAX + 5):
        line.enter(b"x", THERE, now=0.0)
    assert len(list(line.leaving(now=1.0))) == delay_line.FRAMES_MAX
