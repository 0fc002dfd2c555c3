"""An order whose pieces were given back holds none, and is not told that it does."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from sqlalchemy.orm import Session

from capabilities.kernel.clock import now
from capabilities.kernel.errors import ConflictError
from capabilities.transaction.queries import offers_of
from capabilities.transaction.service import expire_reservations, hold_stock, open_order, release_stock
from tests.builders import an_offer, an_open_order


@pytest.mark.parametrize("how", ["released", "expired"])
def test_pieces_that_were_given_back_are_not_held_by_holding_again(session: Session, how: str) -> None:
    an_offer(session, stock=10)
    order_id = open_order(session, an_open_order([("tea", 4)], run_id="r")).id
    hold_stock(session, order_id)
    if how == "released":
        release_stock(session, order_id)
    else:
        with time_machine.travel(now() + timedelta(days=1)):
            expire_reservations(session)
    with pytest.raises(ConflictError, match="given back"):
        hold_stock(session, order_id)
    assert offers_of(session, "retail", ["tea"])["tea"].available_units == 10
