"""The other peer: the same checkout with DBOS, one durable step for each business step, on the same PostgreSQL.

    python -m bench.checkout.durable_steps DATABASE_URL EXECUTOR

The same operations of the catalogue, in the order of `workflows/processes/checkout.yaml`, each in a transaction of its
own; a step that calls outside is the same three commits. One of several processes; each reads orders from standard input,
a line of JSON each: `{"kind", "requests", "at_once"}`, and answers with the milliseconds each checkout took. No HTTP.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from dbos import DBOS, DBOSConfig, SetWorkflowID, SQLAlchemyDatasource
from sqlalchemy.orm import Session

import capabilities.businesses  # noqa: F401 - what each line of business does its own way
from activities.catalogue import StepContext, find_operation
from capabilities.kernel.database import engine, normalized_url, transaction
from capabilities.kernel.identity import BusinessIdentity
from workflows.worker import load_operations

Json = dict[str, Any]
THREADS = 16


def context_of(run_id: str, step: str, business: str) -> StepContext:
    return StepContext(run_id, step, f"{run_id}/{step}", BusinessIdentity(business), "bench", run_id)


def work(session: Session, name: str, context: StepContext, request: Json) -> Json:
    operation = find_operation(name)
    assert operation.run is not None
    return operation.run(session, context, operation.request.model_validate(request)).model_dump(mode="json")


@DBOS.step()
def step(name: str, run_id: str, business: str, request: Json) -> Json:
    """A business step as a plain durable step: its transaction, then DBOS keeps the result. May run twice."""
    with transaction() as session:
        return work(session, name, context_of(run_id, name, business), request)


@DBOS.step()
def outside(name: str, run_id: str, business: str, request: Json) -> Json:
    """A step that calls outside: intent, call, answer."""
    context, operation = context_of(run_id, name, business), find_operation(name)
    assert operation.outside is not None
    with transaction() as session:
        intent = operation.outside.intend(session, context, operation.request.model_validate(request))
    answer = operation.outside.call(intent)
    with transaction() as session:
        return operation.outside.record(session, context, intent, answer).model_dump(mode="json")


def once(source: SQLAlchemyDatasource) -> Callable[[str, str, str, Json], Json]:
    """A business step with its result kept in its own transaction too: exactly once, as ours are."""

    @source.transaction(isolation_level="READ COMMITTED")
    def run_once(name: str, run_id: str, business: str, request: Json) -> Json:
        return work(source.sql_session(), name, context_of(run_id, name, business), request)

    return run_once


def checkout(do: Callable[[str, str, str, Json], Json], run_id: str, asked: Json) -> Json:
    """The way through `checkout.yaml` when nothing is refused."""
    business = asked["business"]

    def call(name: str, **request: Any) -> Json:
        return do(name, run_id, business, request)

    buyer = call("user.admit", business=business, buyer_id=asked["buyer_id"])
    price = call("marketing.price", checkout=asked, buyer=buyer)
    facts = {
        f"order.{name}": price[f"{name}"] for name in ("total_minor", "discount_minor", "quantity", "lines", "hour")
    }
    facts |= {f"order.{name}": asked[name] for name in ("channel", "country", "payment_method")}
    facts |= {f"buyer.{name}": buyer[name] for name in ("tier", "tags", "order_number", "is_guest")}
    risk = call("rules.decide", decision="transaction.risk", facts=facts)
    assert risk["outcome"] == "approve", risk
    order = {"order_id": call("transaction.open", checkout=asked, buyer=buyer, quote_id=price["quote_id"])["order_id"]}
    call("account.reserve_sale", **order)
    call("marketing.claim", **order, quote_id=price["quote_id"])
    call("transaction.hold_stock", **order)
    payment = outside("payment.authorize", run_id, business, {**order, "method": asked["payment_method"]})
    assert payment["status"] == "authorized", payment
    paid = {"payment_id": payment["payment_id"]}
    assert outside("payment.capture", run_id, business, {**order, **paid})["status"] == "captured"
    call("settlement.freeze", **order)
    call("account.post_sale", **order)
    call("marketing.redeem", **order)
    call("transaction.confirm", **order, **paid)
    return call("transaction.receipt", **order)


def workflows_of(source: SQLAlchemyDatasource) -> dict[str, Callable[[str, Json], Json]]:
    exactly = once(source)

    @DBOS.workflow()
    def plain(run_id: str, asked: Json) -> Json:
        return checkout(step, run_id, asked)

    @DBOS.workflow()
    def transactional(run_id: str, asked: Json) -> Json:
        return checkout(exactly, run_id, asked)

    return {"plain": plain, "transactional": transactional}


def main(database_url: str, executor: str) -> None:
    load_operations()
    source = SQLAlchemyDatasource.create(normalized_url(database_url), engine=engine())
    workflows = workflows_of(source)
    config: DBOSConfig = {
        "name": "bench",
        "system_database_url": database_url,
        "sys_db_pool_size": 2 * THREADS,
        "executor_id": executor,
        "application_version": "bench",
        "log_level": "ERROR",
    }
    DBOS(config=config)
    DBOS.launch()
    print(json.dumps({"ready": os.getpid()}), flush=True)

    def one(kind: str, run_id: str, asked: Json) -> float:
        started = time.perf_counter()
        with SetWorkflowID(run_id):
            answer = workflows[kind](run_id, asked)
        assert answer["status"] == "confirmed", answer
        return (time.perf_counter() - started) * 1000

    with ThreadPoolExecutor(THREADS - 1) as pool:  # thirty at once on two processes
        for line in sys.stdin:
            order = json.loads(line)
            runs = [
                (order["kind"], f"{order['name']}-{number}", asked) for number, asked in enumerate(order["requests"])
            ]
            if order["at_once"] == 1:
                waits = [one(*run) for run in runs]
            else:
                waits = list(pool.map(lambda run: one(*run), runs))
            print(json.dumps(waits), flush=True)
    os._exit(0)  # DBOS's threads wait for work for ever


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
