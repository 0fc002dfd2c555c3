"""`python -m zhongtai`: the command. Each sub-command imports what it needs, so that all start quickly."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from capabilities.kernel.errors import InvalidError, PlatformError
from capabilities.kernel.settings import Settings, settings, variable_of
from zhongtai.terminal import Terminal

app = typer.Typer(
    help="Zhongtai: an open business middle platform.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@contextmanager
def explained() -> Iterator[Terminal]:
    """A terminal to speak on; errors of our family become a sentence and exit code 1."""
    terminal = Terminal()
    # asked to end, clean up as after any other error: no compiler, no server goes on without us
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        yield terminal
    except PlatformError as error:
        terminal.fail(error)
        raise typer.Exit(1) from None
    except ValidationError as error:
        if error.title != Settings.__name__:
            raise
        terminal.fail(unfit_settings(error))
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def unfit_settings(error: ValidationError) -> InvalidError:
    """A sentence for each setting whose value cannot be meant."""
    sentences = [
        f"{variable_of(str(part['loc'][0]))} is {part['input']!r}: {part['msg'].lower()}." for part in error.errors()
    ]
    return InvalidError("settings.unfit", "\n".join(sentences), mend="docs/settings.md says what each may be.")


@contextmanager
def database() -> Iterator[Settings]:
    """Settings with a database that answers: DATABASE_URL, or the embedded one, started if need be.

    One that was not running before is stopped again afterwards.
    """
    from zhongtai.one_database import with_database

    with with_database(settings()) as found:
        yield found


api_key_app = typer.Typer(help="Keys front-ends call the API with.", no_args_is_help=True)
app.add_typer(api_key_app, name="api-key")


@app.command()
def up() -> None:
    """Start everything here and supervise it until Ctrl-C."""
    from zhongtai.up import run_up

    with explained() as terminal:
        run_up(settings(), terminal)


@app.command()
def start() -> None:
    """The same in the background; returns when it is ready, or fails with the reason."""
    from zhongtai.background import run_start

    with explained() as terminal:
        run_start(settings(), terminal)


@app.command()
def stop() -> None:
    """Stop what runs here."""
    from zhongtai.background import run_stop

    with explained() as terminal:
        run_stop(settings(), terminal)


@app.command()
def reset(*, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Forget the data, keys and logs of this folder."""
    from zhongtai.background import run_reset

    with explained() as terminal:
        if sys.stdin.isatty() and not yes:
            typer.confirm(f"Forget everything in {settings().state_folder}?", abort=True)
        run_reset(settings(), terminal)


@app.command()
def doctor() -> None:
    """Look for what is missing on this machine, with the mend beside it."""
    from zhongtai.doctor import run_doctor

    with explained() as terminal:
        raise typer.Exit(run_doctor(settings(), terminal))


@app.command()
def migrate() -> None:
    """Bring the database to the newest revision."""
    from zhongtai.migrate import migrate as bring_to_newest

    with explained() as terminal, database() as found, terminal.step("Migrations"):
        bring_to_newest(str(found.database_url))


@app.command(name="check-migrations")
def check_migrations() -> None:
    """Check that there is one newest revision and that the tables in code and in migrations are the same."""
    from zhongtai.check_migrations import run_check

    with explained() as terminal:
        raise typer.Exit(run_check(terminal))


@app.command(name="prepare-temporal")
def prepare_temporal() -> None:
    """Get the Temporal server, so that nothing has to wait for it later."""
    from zhongtai.temporal import find_temporal

    with explained() as terminal:
        if settings().temporal_address is None:
            find_temporal(terminal.say)


@app.command(name="prepare-stripe-mock")
def prepare_stripe_mock() -> None:
    """Get Stripe's mock server, which tests talk to."""
    from zhongtai.stripe_mock import find_stripe_mock

    with explained() as terminal:
        find_stripe_mock(terminal.say)


@app.command()
def demo() -> None:
    """Load the demo's data, and write its keys and accounts to the state folder."""
    from zhongtai.demo_setup import run_demo

    with explained() as terminal, database() as found:
        run_demo(found, terminal)


@app.command()
def verify() -> None:
    """Check every invariant in the database; exit code 1 when one is broken."""
    from zhongtai.verifying import run_verify

    with explained() as terminal, database() as found:
        raise typer.Exit(run_verify(found, terminal))


@app.command()
def evaluate(path: Annotated[Path, typer.Argument(help="A case file, or a folder of them.")]) -> None:
    """Price the carts of case files and compare with what they expect; needs no server."""
    from zhongtai.evaluate import evaluate as run_evaluate

    with explained():
        raise typer.Exit(run_evaluate(path))


@app.command()
def journey(
    baskets: Annotated[int, typer.Option(min=1, help="Baskets driven as checkouts.")] = 500,
    orders: Annotated[int, typer.Option(min=0, help="Baskets imported as past orders.")] = 10_000,
    at_once: Annotated[int, typer.Option(min=1, max=200, help="Checkouts at a time.")] = 16,
) -> None:
    """Load a real grocer's year and drive its baskets through the HTTP API of the running product."""
    from zhongtai.journey import run_journey

    with explained() as terminal, database() as found:
        raise typer.Exit(run_journey(found, terminal, baskets=baskets, orders=orders, at_once=at_once))


@api_key_app.command(name="issue")
def issue_api_key(
    business: Annotated[str, typer.Argument(help="The line of business the key belongs to.")],
    name: Annotated[str, typer.Argument(help="The front-end; two keys of one may live side by side.")],
    may: Annotated[list[str] | None, typer.Option(help="What it may do, several times; left out: everything.")] = None,
) -> None:
    """Issue a key; it is shown this once."""
    from zhongtai.api_keys import issue

    with explained() as terminal, database():
        issue(terminal, business, name, may or [])


@api_key_app.command(name="list")
def list_api_keys(business: Annotated[str | None, typer.Argument(help="Left out: all.")] = None) -> None:
    """List keys: whose, what they may do, when they were last used."""
    from zhongtai.api_keys import show

    with explained() as terminal, database():
        show(terminal, business)


@api_key_app.command(name="revoke")
def revoke_api_key(key_id: Annotated[str, typer.Argument(help="As `api-key list` shows it.")]) -> None:
    """Revoke a key; it stops working within seconds."""
    from zhongtai.api_keys import revoke

    with explained() as terminal, database():
        revoke(terminal, key_id)


@app.command()
def web() -> None:
    """The API and the console alone: DATABASE_URL and TEMPORAL_ADDRESS say where the rest is."""
    from zhongtai.commands import replace_by, web_command

    replace_by(web_command(host=settings().host, port=settings().port))


@app.command()
def worker() -> None:
    """One worker process alone."""
    from zhongtai.commands import replace_by, worker_command

    replace_by(worker_command())


if __name__ == "__main__":
    app()
