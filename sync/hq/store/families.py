"""The questions and verbs of one transaction that have a file of their own, by what they are about."""

import sqlalchemy as sa

from sync.hq.store import queries
from sync.hq.store.asking import AskingVerbs
from sync.hq.store.documents import DocumentVerbs
from sync.hq.store.down import DownVerbs
from sync.hq.store.export import ExportVerbs
from sync.hq.store.members import MemberVerbs
from sync.hq.store.openings import OpeningVerbs
from sync.hq.store.rights import RightsVerbs
from sync.hq.store.rows import Chains


class Families:
    """`down`: what is issued to stations. `documents`: keys, published versions. `export`: who fetched.

    `members`: accounts over all stations. `rights`: what is promised of their points. `asking`: who asks.
    `openings`: what members brought along.
    """

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self.down = DownVerbs(connection)
        self.documents = DocumentVerbs(connection)
        self.export = ExportVerbs(connection)
        self.members = MemberVerbs(connection)
        self.rights = RightsVerbs(connection)
        self.asking = AskingVerbs(connection)
        self.openings = OpeningVerbs(connection)

    def chains(self, station: str) -> Chains:
        """How far everything of a station is. Behind `Writing.lock` what is seen stays."""
        return queries.chains(self._connection, station)
