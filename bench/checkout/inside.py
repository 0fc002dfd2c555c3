"""Where the time of a checkout goes in our own processes, without Temporal: statements, commits, processor, profile.

    python -m bench.checkout.inside [--profile] [--statements] [--checkouts 200]

Runs the web's begin and the batches of the process in this process, on a database of its own.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import event

from bench.checkout.peers import cart
from bench.checkout.plant import BUSINESS, Plant, load
from capabilities.kernel.settings import settings
from zhongtai.migrate import migrate
from zhongtai.postgres import start_postgres, stop_postgres


@contextmanager
def database():
    """A database with the demo's data; the settings of this process name it."""
    with tempfile.TemporaryDirectory(prefix="zhongtai-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        plant = Plant(folder, database_url=start_postgres(folder / "postgres", outlive=False))
        try:
            migrate(plant.database_url)
            load(plant)
            os.environ["DATABASE_URL"] = plant.database_url
            settings.cache_clear()
            yield plant
        finally:
            stop_postgres(folder / "postgres")


class Statements:
    """Counts what is sent to the database, by stage."""

    def __init__(self, engine: Any) -> None:
        self.stage = ""
        self.counts: Counter[str] = Counter()
        self.texts: list[tuple[str, str]] = []
        event.listen(engine, "before_cursor_execute", self._on_execute)
        event.listen(engine, "commit", self._on_commit)

    def _on_execute(self, connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        del connection, cursor
        self.counts[self.stage] += 1
        self.texts.append((self.stage, " ".join(statement.split())))

    def _on_commit(self, connection: Any) -> None:
        del connection
        self.counts[f"{self.stage}: commits"] += 1
        self.texts.append((self.stage, "COMMIT"))


def stages(plant: Plant) -> Callable[[int, Callable[[str], None]], str]:
    """A function that does one whole checkout, telling the stage it is at; imported late: settings come first."""
    from capabilities.kernel.database import transaction
    from capabilities.kernel.identity import BusinessIdentity
    from web.api.contracts import CheckoutBody
    from workflows.batch import advance
    from workflows.language.plan import plan_of_text
    from workflows.messages import Advance, Mending
    from workflows.starting import begin_run
    from workflows.worker import load_operations

    load_operations()

    def run(seed: int, at: Callable[[str], None]) -> str:
        at("begin")
        document = CheckoutBody.model_validate(cart(plant.skus, seed)).as_request(BUSINESS).model_dump(mode="json")
        with transaction() as session:
            begun = begin_run(
                session,
                process="checkout",
                identity=BusinessIdentity(BUSINESS),
                input=document,
                client_id="bench",
                key=f"{os.getpid()}-{seed}",
                actor="api:bench",
            )
        start = begun.start
        values = {"input": start.input, "run": {"id": start.run.run_id}}
        cursor, outcome, turn = 0, None, 0
        plan = plan_of_text(start.definition)
        while outcome is None:
            turn += 1
            _, step = plan.next_step(cursor, values)
            at(step.name if step is not None else "end")
            live = plan.live_values(cursor, values)
            done = advance(Advance(start.run, start.definition, cursor, turn, live, Mending(), []))
            values |= done.values
            cursor, outcome = done.cursor, done.outcome
        return outcome

    return run


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--profile", action="store_true")
    arguments.add_argument("--statements", action="store_true")
    arguments.add_argument("--checkouts", type=int, default=200)
    asked = arguments.parse_args()
    with database() as plant:
        run = stages(plant)
        from capabilities.kernel.database import engine

        statements = Statements(engine())
        for seed in range(20):
            assert run(seed, lambda _: None) == "confirmed"
        _count(run, statements, show=asked.statements)
        spent: Counter[str] = Counter()
        began, current = time.process_time(), [("", time.process_time())]

        def at(stage: str) -> None:
            name, since = current[0]
            spent[name] += time.process_time() - since
            current[0] = (stage, time.process_time())

        profile = cProfile.Profile(time.process_time)
        wall = time.perf_counter()
        if asked.profile:
            profile.enable()
        for seed in range(1000, 1000 + asked.checkouts):
            run(seed, at)
            at("")
        profile.disable()
        wall = time.perf_counter() - wall
        print(
            f"CPU of this process a checkout: {(time.process_time() - began) * 1000 / asked.checkouts:.2f} ms, wall {wall * 1000 / asked.checkouts:.1f} ms"
        )
        print({name: f"{seconds * 1000 / asked.checkouts:.2f} ms" for name, seconds in spent.items() if name})
        if asked.profile:
            pstats.Stats(profile).sort_stats("tottime").print_stats(45)
            pstats.Stats(profile).sort_stats("cumulative").print_stats(110)
        engine().dispose()


def _count(run: Callable[..., str], statements: Statements, *, show: bool) -> None:
    statements.counts.clear()
    statements.texts.clear()

    def at(stage: str) -> None:
        statements.stage = stage

    run(999, at)
    counts = dict(statements.counts)
    sent = sum(count for name, count in counts.items() if "commits" not in name)
    print(f"{sent} statements, {sum(counts.values()) - sent} commits a checkout: {counts}")
    if show:
        for stage, text in statements.texts:
            print(f"  {stage:10} {text[:170]}")


if __name__ == "__main__":
    main()
