"""Which form of the record this firmware answers to, learnt once and kept for the session."""

SILENT_TRIES = 4
"""Failures in a row, while other questions are answered, after which a form counts as unknown there."""


class RecordForms:
    """The forms to read records in, the first to try first. A form that gave a record once is kept: a bad
    line must not change whose tag a record carries."""

    def __init__(self, chain: tuple[str, ...], *, asks_wide: bool) -> None:
        self._chain = chain
        self._is_proved = len(chain) == 1
        self._asks_wide = asks_wide
        self._wide_is_proved = False
        self._silent_tries = self._wide_tries = 0
        self._heard_before_count = -1

    @property
    def form(self) -> str:
        """The form to ask for now."""
        return self._chain[0]

    @property
    def is_settled(self) -> bool:
        """True if no other form will be tried."""
        return self._is_proved

    @property
    def asks_wide(self) -> bool:
        """True while the extended form is worth a question."""
        return self._asks_wide

    def read(self) -> None:
        """A record came in this form."""
        self._is_proved = True

    def answered(self) -> None:
        """There was nothing to read: the form may be known."""
        self._silent_tries = 0

    def failed(self, heard_count: int) -> bool:
        """No answer, or "nothing" where a record waits; `heard_count` valid frames since the start. True if
        the next form is tried."""
        if self._is_proved or heard_count == self._heard_before_count:
            return False
        self._heard_before_count = heard_count
        self._silent_tries += 1
        if self._silent_tries < SILENT_TRIES:
            return False
        self._chain, self._silent_tries = self._chain[1:], 0
        self._is_proved = len(self._chain) == 1
        return True

    def wide_answered(self) -> None:
        """The extended form was answered."""
        self._wide_is_proved, self._wide_tries = True, 0

    def wide_failed(self) -> bool:
        """The extended form was not answered; True if it is not worth another try for this record."""
        self._wide_tries += 1
        if self._wide_tries < SILENT_TRIES:
            return False
        self._wide_tries = 0
        self._asks_wide = self._wide_is_proved
        return True
