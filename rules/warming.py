"""Warming up after a publish: what went live is compiled in the background, before the next decision asks for it.

Nothing depends on it: the live release is read by SQL in each transaction, and compiled then if it must be. One
connection listens, on its own and in autocommit; whenever it is made anew, everything live is read anew, as what was
announced meanwhile is lost.
"""

from __future__ import annotations

import logging
from threading import Event, Thread

import psycopg
from sqlalchemy import make_url, select
from sqlalchemy.orm import Session, sessionmaker

from capabilities.kernel.errors import PlatformError
from rules.models import RuleSetRow
from rules.queries import release_to_decide
from rules.service import CHANNEL

_LOG = logging.getLogger(__name__)

LISTEN_FOR_S = 1.0
RECONNECT_AFTER_S = 1.0


class Warming:
    """The listener's thread. `stop` ends it within about a second."""

    def __init__(self, sessions: sessionmaker[Session], url: str) -> None:
        self._sessions = sessions
        self._url = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        self._stopping = Event()
        self.listening = Event()
        """Set while publishes are heard."""
        self._thread = Thread(target=self._run, name="rules-warming", daemon=True)

    def start(self) -> Warming:
        self._thread.start()
        return self

    def stop(self) -> None:
        """End the listener and wait for it."""
        self._stopping.set()
        self._thread.join(timeout=60)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._listen()
            except psycopg.Error as error:
                _LOG.warning("publications are not heard until the database answers again: %s", error)
            self.listening.clear()
            self._stopping.wait(RECONNECT_AFTER_S)

    def _listen(self) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(f"LISTEN {CHANNEL}".encode())
            self._warm(None)
            self.listening.set()
            while not self._stopping.is_set():
                for announced in connection.notifies(timeout=LISTEN_FOR_S):
                    self._warm(announced.payload)

    def _warm(self, rule_set_id: str | None) -> None:
        wanted = select(RuleSetRow.live_release_id).where(RuleSetRow.live_release_id.is_not(None))
        if rule_set_id is not None:
            wanted = wanted.where(RuleSetRow.id == rule_set_id)
        try:
            with self._sessions() as session:
                releases = [release_to_decide(session, found) for found in session.scalars(wanted) if found]
            for release in releases:
                release.compiled.warm()
        except PlatformError as error:
            # a release of a newer version of the product, say: the decision that needs it will tell
            _LOG.warning("rules could not be warmed up: %s", error)
