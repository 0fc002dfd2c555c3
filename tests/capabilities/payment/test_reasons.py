"""Why a payment did not work, in words."""

import pytest

from capabilities.payment.reasons import told


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [
        ("card_declined", "The payment was declined: the bank did not approve it."),
        ("do_not_honor", "The payment was declined: the payment provider says 'do_not_honor'."),
        (None, "The payment was declined; the payment provider did not say why."),
    ],
)
def test_a_code_becomes_a_sentence(reason, sentence):
    assert told("The payment was declined", reason) == sentence
