"""The life of an order told to people: the document `docs/the-life-of-an-order.md`, made from what was moved."""

from __future__ import annotations

from collections.abc import Iterator

from capabilities.account.contract import AccountKind, AccountRef, Balance, Phase, Side
from capabilities.account.labels import label
from capabilities.account.postings import told
from capabilities.account.reports import MoneyMove
from tests.workflows.life import SELLERS, Life, said

HEAD = """\
# The life of an order

One order, from the first yuan to the last dispute, as the ledger sees it. A test lives this life through the real processes
(`checkout`, `fulfil`, `refund`, `settlement`, `import_statement`, `chargeback`) and holds this page equal to what they
wrote; `ZHONGTAI_WRITE_DOCS=1 .venv/bin/python -m pytest tests/workflows/test_life_of_an_order.py` writes it anew.

How to read it: every row takes an amount from the account under *Credit* and gives it to the account under *Debit*. Assets and
expenses grow by debits, liabilities and revenue by credits; ↑ and ↓ say which of the two happened to the account. A *pending* row
holds money without moving it, so it has no arrow; a row that *posts* it moves what was held. What each posting is for
stands in [postings](postings.md).
"""

NAMES = {AccountKind.GIFT_CARD: ("Ann's", "安的")}


def money(minor: int) -> str:
    """Yuan with two decimals, a true minus."""
    return f"{'−' if minor < 0 else ''}{abs(minor) // 100:,}.{abs(minor) % 100:02d}"


class Told:
    """Numbers of a life, by what the sentences call them."""

    def __init__(self, life: Life) -> None:
        self.life = life
        self.steps = {step.key: step.moves for step in life.steps}

    def sum(self, step: str, code: str, party: str | None = None) -> str:
        """What a posting moved in a step, or what it moved for one party."""
        found = [
            move.amount_minor
            for move in self.steps[step]
            if said(move.reason) == code and move.phase in (Phase.SINGLE, Phase.POST)
            if party is None or party in (move.debit.party, move.credit.party)
        ]
        assert found, (step, code, party)
        return money(sum(found))

    def left(self, kind: AccountKind, party: str | None = None) -> int:
        """What stands on an account, or on all of a kind, in the end."""
        return sum(
            balance.minor
            for account, balance in self.life.trial.balances
            if account.kind is kind and party in (None, account.party)
        )


def sentences(n: Told) -> dict[str, tuple[str, str]]:
    """By step: its heading, and what an accountant would say of it."""
    return {
        "card": (
            "A gift card is sold",
            (
                f"Somebody pays {n.sum('card', 'gift_card.bank')} by bank transfer for a gift card. It is no revenue: the business has the "
                "money and owes goods for it, to whoever holds the card."
            ),
        ),
        "sale": (
            "Ann buys",
            (
                f"The gift card gives {n.sum('sale', 'sale.gift_card')}, her bank card the remaining {n.sum('sale', 'sale.reserved')}. Both are only "
                "*held* in the checkout's first transaction (rows 2 and 3); nothing can be spent twice, and a checkout that fails simply lets "
                "go. When the provider has captured, the last transaction posts both into *sales in transit* and shares "
                "the sale out at once: each seller's part after commission, the commission, the tax (on the goods, the delivery and the "
                "commission together) and the delivery. What came in transit has left it again, to the cent."
            ),
        ),
        "return": (
            "One of the two teas comes back",
            (
                "The goods were handed over, which moves no money; then one tea returns. It is worth what was paid for it: its share of the "
                "15 %, of the code's 20.00 and of the 10 % on the order stays off. Its seller, the commission and the tax give "
                f"their shares back into transit, and the two sources get them in the proportion in which they had paid, {n.sum('return', 'refund.gift_card')} to the gift card "
                f"and {n.sum('return', 'refund.paid')} to the bank card. The commission on a returned unit is not earned, so it goes too."
            ),
        ),
        "payout": (
            "The sellers are paid",
            (
                "The money had waited for the hand-over and is due. A batch is planned, a second person approves it, and each payout is set "
                "aside before the bank is called and booked when the bank says paid: a payout that fails would be let go and tried again under "
                f"the same id. Tea House gets {n.sum('payout', 'payout.sent', 's_tea')}, already without the returned tea; Old Kiln "
                f"{n.sum('payout', 'payout.sent', 's_kiln')}."
            ),
        ),
        "compared": (
            "The provider's statement meets the bank",
            (
                "The statement names a charge and a refund; both are found here with the same amounts. Its net is what the bank was credited. "
                f"So the fee of {n.sum('compared', 'statement.fees')} becomes an expense and {n.sum('compared', 'statement.credited')} arrives at the bank; "
                "what the provider owed is settled and *provider clearing* is zero. The same file again would change nothing."
            ),
        ),
        "taken": (
            "The buyer's bank takes the rest back",
            (
                "“Not received”, says Ann to her bank, and the bank believes her first. It takes everything that is left of the "
                f"card payment, {n.sum('taken', 'chargeback.opened')}; the gift card is out of its reach. Nobody knows yet who will bear it, "
                "so it waits on *chargebacks*, and what is still due to sellers of this order is held until it is decided."
            ),
        ),
        "lost": (
            "The dispute is lost",
            (
                "The bank keeps the money. A lost chargeback is a refund that has been paid out already: the same arithmetic takes everybody's "
                "share back, sellers, commission, tax and delivery, but instead of sources it fills the hole on *chargebacks*. The sellers "
                f"had been paid, so they now owe: {n.sum('lost', 'refund.seller', 's_tea')} and {n.sum('lost', 'refund.seller', 's_kiln')}, carried into "
                "their next payouts."
            ),
        ),
    }


def meanings(n: Told) -> dict[AccountKind, str]:
    """What it means that so much stands there."""
    return {
        AccountKind.BANK: "the gift card's money and the provider's credit, less two payouts",
        AccountKind.CHARGEBACKS: "decided; nothing waits",
        AccountKind.COMMISSION_REVENUE: "earned on what was neither returned nor taken back",
        AccountKind.DELIVERY_REVENUE: "what is kept of the delivery, without its tax",
        AccountKind.GIFT_CARD: "still to be spent, from the returned tea",
        AccountKind.PROVIDER_CLEARING: "the provider had to hand over the chargeback and keeps it from its next credit",
        AccountKind.PROVIDER_FEES: "what the card payment cost",
        AccountKind.SALES_IN_TRANSIT: "nothing stays in transit",
        AccountKind.SELLER_PAYABLE: "paid before the dispute: owed by the seller, taken from the next payout",
        AccountKind.TAX_PAYABLE: "tax on what is kept, to be paid to the state",
    }


def document(life: Life) -> str:
    """The whole page."""
    numbers = Told(life)
    return "\n".join([HEAD, *_sale(life), *_steps(life, numbers), *_ending(life, numbers)])


def _sale(life: Life) -> Iterator[str]:
    order = life.order
    names = {"TEA": "Longjing tea", "CUP": "celadon cup", "EXPRESS": "express delivery"}
    yield "## What was sold\n"
    yield (
        "Two teas of Tea House and a cup of Old Kiln, delivered by tomorrow. Tea week takes 15 % off the tea, the code TEA20 another 20.00, "
        "and from 200.00 on the order is 10 % cheaper. Prices include VAT: 13 % on goods, 9 % on delivery. The platform keeps 5 % and "
        "6 % tax on that.\n"
    )
    yield "| Line | Seller | Pieces | Price | Off | Paid | of which tax |"
    yield "|---|---|---:|---:|---:|---:|---:|"
    for line in order.lines:
        seller = SELLERS[line.seller_id][0]
        yield (
            f"| {names[line.sku]} | {seller} | {line.quantity} | {money(line.unit_price_minor)} | {money(line.discount_minor)} "
            f"| {money(line.total_minor)} | {money(line.tax_minor)} |"
        )
    yield f"| **Total** | | | | **{money(order.discount_minor)}** | **{money(order.total_minor)}** | **{money(order.tax_minor)}** |\n"


def _steps(life: Life, numbers: Told) -> Iterator[str]:
    says = sentences(numbers)
    number = 0
    held: dict[str, int] = {}
    for place, step in enumerate(life.steps, 1):
        heading, sentence = says[step.key]
        yield f"## {place}. {heading}\n\n{sentence}\n"
        yield "| # | Debit | Credit | Amount | | Why | |"
        yield "|---:|---|---|---:|---|---|---|"
        for move in step.moves:
            number += 1
            held[move.transfer_id] = number
            yield _row(number, move, held)
        yield ""


def _row(number: int, move: MoneyMove, held: dict[str, int]) -> str:
    state = {Phase.PENDING: "pending", Phase.POST: f"posts {held.get(move.pending_id or '', 0)}"}.get(move.phase, "")
    debit, credit = (_cell(ref, side, move.phase) for ref, side in ((move.debit, "debit"), (move.credit, "credit")))
    why = [told(move.reason, language, names_in(language)) for language in ("en", "zh")]
    return f"| {number} | {debit} | {credit} | {money(move.amount_minor)} | {state} | {why[0]} | {why[1]} |"


def _cell(ref: AccountRef, side: str, phase: Phase) -> str:
    grows = (ref.side is Side.ASSET) == (side == "debit")
    arrow = "" if phase is Phase.PENDING else " ↑" if grows else " ↓"
    return f"{named(ref)}{arrow}"


def named(ref: AccountRef) -> str:
    """The account in words, with whose it is."""
    whose = SELLERS.get(ref.party, NAMES.get(ref.kind, ("", "")))[0]
    return f"{label(ref.kind, 'en')}, {whose}" if whose else label(ref.kind, "en")


def names_in(language: str) -> dict[str, str]:
    """What sellers are called."""
    return {seller: names[language == "zh"] for seller, names in SELLERS.items()}


def _ending(life: Life, numbers: Told) -> Iterator[str]:
    means = meanings(numbers)
    left_sum = sum(_on(Side.ASSET, balance, account) for account, balance in life.trial.balances)
    right_sum = sum(_on(Side.LIABILITY, balance, account) for account, balance in life.trial.balances)
    yield "## What is left\n"
    yield (
        "Every account that was touched, with what stands on it now. A balance below zero stands on the other side than usual. The two columns "
        "have the same sum, nothing is pending, and the same balances come out when they are counted anew from the entries above.\n"
    )
    yield "| Account | | Assets and expenses | Liabilities and revenue | It means |"
    yield "|---|---|---:|---:|---|"
    rows = sorted(life.trial.balances, key=lambda found: (found[0].side.value, found[0].kind.value, found[0].party))
    for account, balance in rows:
        left, right = (money(balance.minor), "") if account.side is Side.ASSET else ("", money(balance.minor))
        yield f"| {named(account)} | {label(account.kind, 'zh')} | {left} | {right} | {means[account.kind]} |"
    yield f"| **Sum** | | **{money(left_sum)}** | **{money(right_sum)}** | trial balance: {money(left_sum - right_sum)} |"
    yield ""


def _on(side: Side, balance: Balance, account: AccountRef) -> int:
    return balance.minor if account.side is side else 0
