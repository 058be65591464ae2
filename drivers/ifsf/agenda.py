"""What to ask next: offline sales, what is offered, what may be cleared, unpaid sales, states."""

from collections.abc import Mapping

from drivers.events import Monotonic
from drivers.ifsf import questions
from drivers.ifsf.offline import OfflineShelf
from drivers.ifsf.options import IfsfOptions
from drivers.ifsf.points import PointWatch
from drivers.ifsf.questions import Aim, Question
from drivers.ifsf.reading import Record
from drivers.ifsf.sales import SaleBook

UNCLEAN_LOOKS_LIMIT = 4


class Agenda:
    """Knows the points, the sales they offer and the offline shelf; says which question is due."""

    def __init__(self, options: IfsfOptions) -> None:
        self._options = options
        self.book = SaleBook(clears=options.clears)
        self.shelf = OfflineShelf(clears=options.clears)
        self.shelf_at = Monotonic(0)
        self.points: Mapping[int, PointWatch] = {
            point_no: PointWatch(point_no, Monotonic(0), Monotonic(0)) for point_no in options.points
        }
        self._bad_before_look = self._unclean_looks = 0

    def choose(self, now: Monotonic, bad_frames: int) -> Question | None:
        """Offline sales are the oldest, so they go first; then what is offered is read, then cleared."""
        additions = self._options.additions
        if self._options.offline:
            if (place := self.shelf.take_removable()) is not None:
                return questions.remove_offline(place)
            if self.shelf_at <= now:
                return questions.offline(additions=additions)
        for watch in self.points.values():
            if watch.finding:
                return watch.finding.pop()
        if (place := self.book.next_unread(now)) is not None:
            return questions.sale(place, additions=additions)
        if (place := self.book.next_clearable()) is not None:
            watch = self.watch_of(place)
            if watch.was_away:
                return self._begin_look(watch, now, bad_frames)
            if self._look_was_clean(bad_frames):
                return questions.clear(self.book.clear_asked())
            self._forget_sales(now)
            watch.find_at = now
        return self._look_at_points(now, bad_frames)

    def next_at(self) -> Monotonic:
        """When the next question is due."""
        if self.shelf.is_removable() or any(watch.finding for watch in self.points.values()):
            return Monotonic(0)
        moments = [min(watch.find_at, watch.state_at) for watch in self.points.values()]
        if self._options.offline:
            moments.append(self.shelf_at)
        if (book_at := self.book.next_at()) is not None:
            moments.append(book_at)
        return min(moments)

    def failed(self, question: Question, now: Monotonic, *, refused: bool) -> None:
        """No answer, or a refusal: whatever is needed still is found by a later look."""
        watch = self.points.get(question.place[0] - questions.FIRST_POINT)
        if question.aim is Aim.OFFLINE or (question.aim is Aim.REMOVE and refused):
            self.shelf.forget_readings()
            self.shelf_at = Monotonic(now + self._options.offline_ms)
        elif question.aim is Aim.REMOVE:
            self.shelf_at = now
        elif question.aim is Aim.SALE and refused:
            self.book.leave(question.place)
        elif question.aim is Aim.SALE:
            self.book.failed(question.place)
        elif watch is not None and question.aim is Aim.STATE:
            watch.state_at = Monotonic(now + self._options.poll_ms)
        elif question.aim is Aim.CLEAR and not refused:
            self.book.read_again(question.place, now)

    def keep(self, record: Record, *, is_offline: bool) -> None:
        """It is safe with the till, or no fuelling."""
        if is_offline:
            self.shelf.keep(record)
        else:
            self.book.keep(record)
            self.watch_of(record.place).booked(record.place[2:])

    def read_again(self, record: Record, at: Monotonic, *, is_offline: bool) -> None:
        """Read once more where this record stood: to clear it if it is safe, else to report it again."""
        if is_offline:
            self.shelf_at = at
        else:
            self.book.read_again(record.place, at)

    def watch_of(self, place: bytes) -> PointWatch:
        return self.points[place[0] - questions.FIRST_POINT]

    def forget_readings(self, now: Monotonic) -> None:
        """Silence, return or a pulled plug: everything is looked at anew before anything is done about it."""
        self._forget_sales(now)
        self.shelf.forget_readings()
        self.shelf_at = now
        for watch in self.points.values():
            watch.forget_flow()
            watch.finding.clear()
            watch.find_at = watch.state_at = now
            watch.was_away = True

    def _forget_sales(self, now: Monotonic) -> None:
        """The next look shows them again; where there is no list, they are read again by themselves."""
        self.book.forget_readings(Monotonic(now + self._options.list_ms))

    def _look_at_points(self, now: Monotonic, bad_frames: int) -> Question | None:
        for watch in self.points.values():
            if watch.find_at <= now:
                return self._begin_look(watch, now, bad_frames)
        due = min(self.points.values(), key=lambda watch: watch.state_at)
        return questions.state(due.point_no) if due.state_at <= now else None

    def _begin_look(self, watch: PointWatch, now: Monotonic, bad_frames: int) -> Question:
        self._bad_before_look, watch.was_away = bad_frames, False
        watch.find_at = Monotonic(now + self._options.list_ms)
        if self._options.finds == "list":
            return questions.unpaid(watch.point_no, additions=self._options.additions)
        first, *watch.finding = (questions.slot(watch.point_no, slot) for slot in questions.SLOTS)
        return first

    def _look_was_clean(self, bad_frames: int) -> bool:
        """False if something unreadable came since the look began: it may have been an unread sale, and a
        clear that is damaged on a wire without check value could hit it. A wire that is never clean is
        taken as it is after some looks, because the pump must go on."""
        if bad_frames == self._bad_before_look or self._unclean_looks >= UNCLEAN_LOOKS_LIMIT:
            self._unclean_looks = 0
            return True
        self._unclean_looks += 1
        return False
