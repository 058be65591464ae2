"""Unit: does a stream that repeats for HQ lose its place neither in the old rows nor in the new ones?"""

from sync.lane import Lane


def lane(acked: int = 50, last_seq: int = 60) -> Lane:
    return Lane(acked, acked + 1, last_seq)


def send(one: Lane, rows: int = 10) -> tuple[int, int]:
    """The next batch of at most so many rows: its first and last seq."""
    first = one.next_seq
    last = min(first + one.most_rows(rows) - 1, one.last_seq)
    one.sent(last, 0)
    return first, last


def test_it_goes_back_repeats_to_where_hq_stood_and_goes_on_with_what_is_new() -> None:
    one = lane()
    one.repeat(24)
    assert [send(one) for _ in range(4)] == [(24, 33), (34, 43), (44, 50), (51, 60)]
    assert not one.has_rows


def test_one_ack_answers_one_repeated_batch_although_hq_stands_behind_them_all() -> None:
    one = lane()
    one.repeat(24)
    for _ in range(3):
        send(one)
    assert (len(one.unanswered), one.repeats_left) == (3, 27)
    one.acknowledged_again(1)
    assert (len(one.unanswered), one.repeats_left) == (2, 17)
    one.acknowledged_again(2)
    one.acknowledged_again(3)
    assert (len(one.unanswered), one.repeats_left) == (0, 0)


def test_an_ack_of_what_was_out_before_does_not_end_the_repeating() -> None:
    one = lane()
    send(one)
    one.repeat(41)
    one.advance(60, 1)
    assert send(one) == (41, 50)
    assert not one.has_rows, "what HQ took meanwhile is not sent a second time"


def test_a_lost_connection_resumes_where_the_repeating_was() -> None:
    one = lane()
    one.repeat(21)
    send(one)
    send(one)
    one.acknowledged_again(1)
    one.go_back(one.acked)
    assert send(one) == (31, 40)


def test_a_second_wish_widens_the_first() -> None:
    one = lane()
    one.repeat(40)
    send(one)
    one.repeat(31)
    assert send(one) == (31, 40)


def test_rows_that_hq_lost_come_before_what_it_only_wants_again() -> None:
    one = lane()
    one.repeat(45)
    one.stand_at(30, 1)
    assert send(one) == (31, 40)


def test_an_ack_that_says_nothing_new_answers_nothing_else() -> None:
    one = lane()
    send(one)
    one.acknowledged_again(1)
    assert len(one.unanswered) == 1


def test_what_cannot_be_repeated_any_more_leaves_the_new_rows_to_go() -> None:
    one = lane()
    one.repeat(1)
    one.end_repeat()
    assert (send(one), one.repeats_left) == ((51, 60), 0)
