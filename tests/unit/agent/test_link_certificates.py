"""Unit: does the station connect with the right certificate, ask in time for the next, and never lose one?"""

import errno
import json
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agent.app.certificate_files import ASKED_FOR, IN_USE, ON_TRIAL
from agent.app.certificates import Certificates
from agent.clock import ClockQuality, Instant
from agent.handlers.renew_certificate import renew_certificate
from agent.handlers.verdict import Verdict
from agent.messages.down import Certificate
from drivers.events import Monotonic
from sync.authority import Authority, found_authority, sign_request
from sync.certificates import DAY_MS, make_key, make_request
from sync.refusal import Refusal
from sync.tls import TlsFiles
from tests.world import WEDNESDAY_MS, World

STATION = "station-0042"
ROOT = found_authority("a test", WEDNESDAY_MS - 400 * DAY_MS)


@dataclass
class PlayedClock:
    at_ms: int = WEDNESDAY_MS
    is_synced: bool = True

    def wall_ms(self) -> int:
        return self.at_ms

    def monotonic_ms(self) -> Monotonic:
        return Monotonic(0)

    def quality(self, floor_ms: int) -> ClockQuality:
        if self.at_ms < floor_ms:
            return ClockQuality.UNTRUSTED
        return ClockQuality.SYNCED if self.is_synced else ClockQuality.HOLDOVER


@dataclass
class Link:
    """A station's certificates in `folder`; books that know `floor_ms` to be past."""

    folder: Path
    clock: PlayedClock = field(default_factory=PlayedClock)
    configured: TlsFiles = field(default_factory=TlsFiles)
    floor_ms: int = 0
    trials: int = 0

    def __post_init__(self) -> None:
        self.certificates = Certificates(
            self.folder, STATION, self.configured, self.clock, lambda: self.floor_ms, self._count
        )

    def _count(self) -> None:
        self.trials += 1

    def install(self, name: str = STATION, days: int = 365, ago_days: int = 0, where: str = IN_USE) -> None:
        key = make_key()
        chain = signed(key, name, days, self.clock.at_ms - ago_days * DAY_MS)
        (self.folder / where).write_bytes(key + chain)

    def chosen(self) -> str:
        """The name of the file that the next connection shows, or why there is none."""
        files = self.certificates.for_connection()
        if isinstance(files, Refusal):
            return files.reason
        return files.cert.name if files.cert else ""

    def now(self) -> Instant:
        return Instant(self.clock.at_ms, self.clock.quality(self.floor_ms))

    def obey(self, chain: bytes) -> Verdict:
        return renew_certificate(Certificate(chain=chain.decode()), self.certificates, STATION, self.now())


def signed(key: bytes, name: str, days: int, at_ms: int, authority: Authority = ROOT) -> bytes:
    request = make_request(key, name)
    assert isinstance(request, bytes)
    chain = sign_request(authority, request, lambda station: True, at_ms, days)
    assert isinstance(chain, bytes)
    return chain


@pytest.fixture
def link(tmp_path: Path) -> Link:
    return Link(tmp_path)


@pytest.fixture
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Books without rules and members."""
    return World(tmp_path_factory.mktemp("books") / "station.db")


def _renew(link: Link, world: World) -> list[dict[str, object]]:
    """What was asked for by now."""
    world.run(lambda tx, at: link.certificates.renew(tx, link.now()))
    rows = world.rows("SELECT body FROM outbox WHERE kind = 'certificate.request' ORDER BY seq")
    return [json.loads(bytes(body)) for (body,) in rows]


def _alarms(world: World) -> list[tuple[object, ...]]:
    return world.rows("SELECT times, detail FROM alarm WHERE code = 'CERTIFICATE_EXPIRES'")


def test_without_any_certificate_the_configured_authority_is_used(tmp_path: Path) -> None:
    link = Link(tmp_path, configured=TlsFiles(ca=tmp_path / "ca.pem"))
    assert link.certificates.for_connection() == TlsFiles(ca=tmp_path / "ca.pem")
    assert link.certificates.standing() is None


@pytest.mark.parametrize(
    ("name", "days", "ago", "chosen"),
    [
        (STATION, 365, 0, IN_USE),
        ("station-0043", 365, 0, "CERTIFICATE_OTHER_STATION"),
        (STATION, 365, 366, "CERTIFICATE_EXPIRED"),
        (STATION, 365, -1, "CERTIFICATE_NOT_YET_VALID"),
    ],
)
def test_a_certificate_that_cannot_open_is_not_shown(
    link: Link, name: str, days: int, ago: int, chosen: str
) -> None:
    link.install(name, days, ago)
    assert link.chosen() == chosen
    told = link.certificates.standing()
    assert told is not None
    assert told["trouble"] == ("" if chosen == IN_USE else chosen)


def test_a_clock_that_nobody_vouches_for_does_not_close_the_road(link: Link) -> None:
    """A dead clock shows the day the system was built, and only headquarters can say what time it is."""
    link.install()
    link.clock.at_ms -= 200 * DAY_MS
    link.clock.is_synced = False
    assert link.chosen() == IN_USE
    told = link.certificates.standing()
    assert told is not None
    assert told["trouble"] == "CLOCK_BEHIND_CERTIFICATE"
    link.clock.at_ms += 700 * DAY_MS
    assert link.chosen() == "CERTIFICATE_EXPIRED", "nothing contradicts this clock"
    link.floor_ms = link.clock.at_ms + 1
    assert link.chosen() == IN_USE, "the books do"


def test_another_stations_certificate_is_refused_whatever_the_clock_says(link: Link) -> None:
    link.install("station-0043")
    link.clock.at_ms -= 200 * DAY_MS
    link.clock.is_synced = False
    assert link.chosen() == "CERTIFICATE_OTHER_STATION"


def test_a_new_one_is_asked_for_thirty_days_ahead_and_once_a_day(link: Link, world: World) -> None:
    link.install(days=365, ago_days=335 - 1)
    assert _renew(link, world) == []
    link.clock.at_ms += 2 * DAY_MS
    first = _renew(link, world)
    assert len(first) == 1
    assert stat.S_IMODE((link.folder / ASKED_FOR).stat().st_mode) == 0o600
    link.clock.at_ms += DAY_MS - 1
    assert _renew(link, world) == first
    restarted = Link(link.folder, link.clock)
    assert _renew(restarted, world) == first, "also after a restart"
    link.clock.at_ms += 1
    second = _renew(link, world)
    assert len(second) == 2
    assert second[0]["id"] != second[1]["id"]
    assert _alarms(world) == [(3, "28 days left")], "29, 28, and 28 again after the restart"


def test_the_alarm_counts_days_and_not_visits(link: Link, world: World) -> None:
    link.install(days=365, ago_days=355)
    for _ in range(5):
        _renew(link, world)
    assert _alarms(world) == [(1, "10 days left")]


def test_a_clock_that_is_contradicted_renews_nothing(link: Link, world: World) -> None:
    link.install(days=365, ago_days=355)
    link.floor_ms = link.clock.at_ms + 1
    assert _renew(link, world) == []
    assert _alarms(world) == []


def test_a_configured_certificate_is_somebody_elses_to_renew(tmp_path: Path, world: World) -> None:
    link = Link(tmp_path)
    link.install(days=365, ago_days=355)
    configured = TlsFiles(cert=tmp_path / IN_USE)
    given = Link(tmp_path, configured=configured)
    assert _renew(given, world) == []
    assert _alarms(world) == [(1, "10 days left")]
    link.install(where=ON_TRIAL)
    assert given.certificates.for_connection() == configured


def _asked(link: Link, world: World) -> bytes:
    link.install(days=365, ago_days=355)
    _renew(link, world)
    key = link.certificates.pending_key()
    assert key is not None
    return key


def test_the_answer_is_tried_and_the_former_one_stays_until_it_has_worked(link: Link, world: World) -> None:
    chain = signed(_asked(link, world), STATION, 365, link.clock.at_ms)
    former = (link.folder / IN_USE).read_bytes()
    assert link.obey(chain) == Verdict()
    assert link.trials == 1
    assert stat.S_IMODE((link.folder / ON_TRIAL).stat().st_mode) == 0o600
    tried = [link.chosen() for _ in range(12)]
    assert tried[0] == ON_TRIAL
    assert {ON_TRIAL, IN_USE} == set(tried), "a new one that does not open must not lock the station out"
    assert (link.folder / IN_USE).read_bytes() == former
    while link.chosen() != ON_TRIAL:
        pass
    link.certificates.answered()
    assert (link.folder / IN_USE).read_bytes().endswith(chain)
    assert not (link.folder / ON_TRIAL).exists()
    assert [link.chosen() for _ in range(12)] == [IN_USE] * 12
    assert len(_renew(link, world)) == 1, "it has a year again"


def test_an_answer_over_the_former_certificate_proves_nothing(link: Link, world: World) -> None:
    chain = signed(_asked(link, world), STATION, 365, link.clock.at_ms)
    link.obey(chain)
    while link.chosen() != IN_USE:
        pass
    link.certificates.answered()
    assert (link.folder / ON_TRIAL).exists()


def test_told_again_after_a_crash_it_is_no_news(link: Link, world: World) -> None:
    chain = signed(_asked(link, world), STATION, 365, link.clock.at_ms)
    assert link.obey(chain) == link.obey(chain) == Verdict()
    assert link.obey(signed(make_key(), STATION, 365, link.clock.at_ms)).reason == "CERTIFICATE_NOT_ASKED"


def test_an_answer_that_does_not_fit_changes_nothing(link: Link, world: World) -> None:
    key = _asked(link, world)
    before = {path.name: path.read_bytes() for path in link.folder.iterdir()}
    refused = {
        link.obey(signed(make_key(), STATION, 365, link.clock.at_ms)).reason,
        link.obey(signed(key, "station-0043", 365, link.clock.at_ms)).reason,
        link.obey(signed(key, STATION, 10, link.clock.at_ms - 20 * DAY_MS)).reason,
        link.obey(signed(key, STATION, 10, link.clock.at_ms + 20 * DAY_MS)).reason,
        link.obey(b"-----BEGIN NOTHING-----").reason,
    }
    assert refused == {
        "KEY_MISMATCH",
        "CERTIFICATE_OTHER_STATION",
        "CERTIFICATE_EXPIRED",
        "CERTIFICATE_NOT_YET_VALID",
        "CERTIFICATE_UNREADABLE",
    }
    assert {path.name: path.read_bytes() for path in link.folder.iterdir()} == before
    assert link.trials == 0


def _full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_refuses_and_ends_nothing(
    link: Link, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Inside the till an exception would end the whole station."""
    link.install(days=365, ago_days=355)
    with monkeypatch.context() as full:
        full.setattr(os, "replace", _full)
        assert _renew(link, world) == []
    assert world.rows("SELECT detail FROM alarm WHERE code = 'CERTIFICATE_NOT_STORED'") == [
        ("No space left on device",)
    ]
    chain = signed(_asked(link, world), STATION, 365, link.clock.at_ms)
    with monkeypatch.context() as full:
        full.setattr(os, "replace", _full)
        assert link.obey(chain).reason == "CERTIFICATE_NOT_STORED"
    assert link.obey(chain) == Verdict(), "the key that asked is still here"
    with monkeypatch.context() as full:
        full.setattr(os, "replace", _full)
        assert link.chosen() == ON_TRIAL
        link.certificates.answered()
    assert link.chosen() == ON_TRIAL


def test_files_that_only_root_may_read_end_nothing(
    link: Link, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    link.install(days=365, ago_days=355)

    def forbidden(path: Path) -> bytes:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(Path, "read_bytes", forbidden)
    assert link.chosen() == "CERTIFICATE_UNREADABLE"
    assert link.certificates.standing() is None
    world.run(lambda tx, at: link.certificates.renew(tx, link.now()))
