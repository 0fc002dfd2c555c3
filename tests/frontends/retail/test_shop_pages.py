"""The shop against a platform that is played: what it asks, what it keeps, what it says."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request

from frontends.kit.app import POLICY
from frontends.kit.jar import Jar, idempotency_key
from frontends.kit.pages import money
from frontends.kit.settings import FrontSettings, NotConfiguredError, read_settings
from frontends.kit.texts import TEXTS as SHARED
from frontends.retail.app import create_shop
from frontends.retail.cart import MOST_LINES, Cart, kept_cart, read_cart
from frontends.retail.categories import category_name, child_of
from frontends.retail.pictures import picture, shape_of
from frontends.retail.texts import TEXTS

FOLDERS = (Path("frontends/retail/templates"), Path("frontends/kit/templates"))
TEMPLATES = [template for folder in FOLDERS for template in sorted(folder.glob("*.html"))]
Json = dict[str, Any]


def an_offer(sku: str, price: int, category: str = "food/tea", kind: str = "goods", left: int | None = 50) -> Json:
    return {
        "sku": sku,
        "kind": kind,
        "name_en": f"{sku} <b>",
        "name_zh": f"{sku} 中文",
        "description_en": "Good.",
        "description_zh": "好。",
        "category": category,
        "brand": "Brand",
        "currency": "CNY",
        "unit_price_minor": price,
        "list_price_minor": None,
        "was_minor": None,
        "lowest_30_days_minor": price,
        "volume_prices": [],
        "tax_rate_bps": 1300,
        "weight_g": 100,
        "available_units": left,
        "tags": [],
    }


class Played:
    """A platform that remembers what it was asked; `answer` is what a checkout gets."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Json, str]] = []
        self.offers = [an_offer("tea", 100_00), an_offer("cup", 20_00, "home/cups"), an_offer("gone", 5_00, left=0)]
        self.offers += [an_offer("post", 8_00, "delivery", "delivery", None)]
        self.answer: tuple[int, Json, dict[str, str]] = (201, {"order_id": "ord_1"}, {})
        self.is_away = False

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api/v1")
        body = json.loads(request.content) if request.content else {}
        self.asked.append((path, body, request.headers.get("idempotency-key", "")))
        assert request.headers["authorization"] == "Bearer zk_test"
        if path == "/offers":
            wanted = request.url.params
            found = [each for each in self.offers if wanted.get("search", "") in each["sku"]]
            found = [each for each in found if each["category"].startswith(wanted.get("category", ""))]
            return httpx.Response(200, json={"offers": found, "next_cursor": None})
        if path == "/buyers":
            buyers = [{"id": "b_1", "name": "Li Na", "tier": "vip", "status": "active"}]
            return httpx.Response(200, json={"buyers": buyers, "next_cursor": None})
        if path == "/quotes":
            return httpx.Response(200, json=self.quote(body))
        if path == "/checkouts":
            if self.is_away:
                raise httpx.ReadTimeout("lost")
            status, answer, headers = self.answer
            return httpx.Response(status, json=answer, headers=headers)
        if path == "/orders/ord_1":
            about = {"order_id": "ord_1", "number": "RET-1", "status": "confirmed", "status_reason": None}
            lines = self.quote({"lines": [{"sku": "tea", "quantity": 2}]})
            lines["lines"][0]["adjustments"][0]["amount_minor"] = 10_00
            return httpx.Response(200, json=lines | about | {"placed_at": "2026-11-25T14:00:00Z"})
        return httpx.Response(404, json={"code": "x.unknown", "detail": "No."})

    def quote(self, body: Json) -> Json:
        prices = {offer["sku"]: offer["unit_price_minor"] for offer in self.offers}
        lines = []
        for number, line in enumerate(body["lines"], start=1):
            gross = prices[line["sku"]] * line["quantity"]
            given = {"rule_id": "r1", "rule_name": "Ten off", "given_minor": 10_00, "coupon_code": None}
            taken = [given] if number == 1 else []
            lines.append(
                {
                    "id": f"l{number}",
                    "kind": "goods",
                    "sku": line["sku"],
                    "name_en": line["sku"],
                    "name_zh": line["sku"],
                    "quantity": line["quantity"],
                    "unit_price_minor": prices[line["sku"]],
                    "gross_minor": gross,
                    "discount_minor": 10_00 if taken else 0,
                    "net_minor": gross - (10_00 if taken else 0),
                    "adjustments": taken,
                }
            )
        gross = sum(line["gross_minor"] for line in lines)
        return {
            "currency": "CNY",
            "prices_include_tax": True,
            "goods_gross_minor": gross,
            "discount_minor": 10_00,
            "delivery_minor": 8_00,
            "fee_minor": 0,
            "tax_minor": 1,
            "total_minor": gross - 2_00,
            "lines": lines,
            "coupons": [{"code": code, "state": "unknown", "reason": None} for code in body.get("coupon_codes", [])],
        }


class Visitor:
    """A browser without script: keeps cookies, follows redirects."""

    def __init__(self, shop: FastAPI) -> None:
        self.runner = asyncio.Runner()
        transport = httpx.ASGITransport(app=shop)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://shop", follow_redirects=True)

    def get(self, path: str, **parts: Any) -> httpx.Response:
        return self.runner.run(self.client.get(path, **parts))

    def post(self, path: str, **parts: Any) -> httpx.Response:
        return self.runner.run(self.client.post(path, **parts))

    def leave(self) -> None:
        self.runner.run(self.client.aclose())
        self.runner.close()


@pytest.fixture
def platform() -> Played:
    return Played()


@pytest.fixture
def browser(platform: Played) -> Iterator[Visitor]:
    shop = FrontSettings(api_url="http://platform", api_key="zk_test", cookie_secret="s")
    visitor = Visitor(create_shop(shop, httpx.MockTransport(platform)))
    yield visitor
    visitor.leave()


def field(page: httpx.Response, name: str) -> str:
    found = re.search(rf'name="{name}"[^>]*value="([^"]*)"', page.text)
    assert found, name
    return found.group(1)


def test_the_first_page_shows_what_is_for_sale(browser: Visitor) -> None:
    page = browser.get("/")
    assert page.status_code == 200
    assert "¥100.00" in page.text
    assert "tea &lt;b&gt;" in page.text
    assert "/products/post" not in page.text
    assert page.headers["content-security-policy"] == POLICY


def test_a_reduced_product_is_compared_with_the_lowest_price_before(browser: Visitor, platform: Played) -> None:
    steps = [{"from_quantity": 6, "unit_price_minor": 75_00}]
    platform.offers[0] |= {"was_minor": 120_00, "lowest_30_days_minor": 95_00, "volume_prices": steps}
    page = browser.get("/products/tea").text
    assert "Lowest price of the 30 days before: ¥95.00" in page
    assert "<s>¥120.00</s>" in page
    assert "From 6 pieces ¥75.00 each" in page
    assert "Lowest price" not in browser.get("/products/cup").text


def test_htmx_gets_the_shelf_alone(browser: Visitor) -> None:
    part = browser.get("/?q=tea", headers={"hx-request": "true"})
    assert part.text.strip().startswith('<div id="shelf">')
    assert "<html" not in part.text
    assert "cup" not in part.text


@pytest.mark.parametrize(
    ("language", "word"), [("zh-CN,zh;q=0.9", "加入购物车"), ("en", "Add to cart"), ("fr", "Add to cart")]
)
def test_the_shop_speaks_the_browsers_language(browser: Visitor, language: str, word: str) -> None:
    assert word in browser.get("/", headers={"accept-language": language}).text


def test_a_chosen_language_and_look_are_kept(browser: Visitor) -> None:
    answer = browser.post("/settings", data={"language": "zh", "theme": "dark", "back": "//evil.example"})
    assert answer.url.path == "/"
    assert 'lang="zh-CN" data-theme="dark"' in answer.text


def test_the_cart_counts_prices_and_names_what_came_off(browser: Visitor, platform: Played) -> None:
    browser.post("/cart/lines", data={"sku": "tea", "quantity": "2"})
    page = browser.get("/cart")
    assert "Ten off" in page.text
    assert "−¥10.00" in page.text
    assert field(page, "expected_total_minor") == "19800"
    assert platform.asked[-1][1]["lines"] == [{"sku": "tea", "quantity": 2}]
    assert platform.asked[-1][1]["delivery_sku"] == "post"


def test_changing_the_cart_by_htmx_brings_it_back_with_its_new_total(browser: Visitor) -> None:
    browser.post("/cart/lines", data={"sku": "tea"})
    attempt = field(browser.get("/cart"), "attempt")
    form = {"pieces-tea": "3", "coupons": "nope", "buyer": "b_1", "attempt": attempt}
    part = browser.post("/cart", data=form, headers={"hx-request": "true"})
    assert "<html" not in part.text
    assert field(part, "expected_total_minor") == "29800"
    assert field(part, "attempt") == attempt
    assert "There is no coupon nope." in part.text
    assert "hx-partial" in part.text
    assert 'value="3"' in browser.get("/cart").text


@pytest.mark.parametrize("pieces", ["-1", "1.5", "abc", "", "9" * 30])
def test_a_quantity_that_cannot_be_meant_changes_nothing(browser: Visitor, pieces: str) -> None:
    browser.post("/cart/lines", data={"sku": "tea", "quantity": "2"})
    page = browser.post("/cart", data={"pieces-tea": pieces})
    assert 'name="pieces-tea" type="number" inputmode="numeric" value="2"' in page.text


def test_nothing_pieces_and_the_bin_take_a_line_out(browser: Visitor) -> None:
    browser.post("/cart/lines", data={"sku": "tea"})
    browser.post("/cart/lines", data={"sku": "cup"})
    assert "line-tea" not in browser.post("/cart", data={"pieces-tea": "0"}).text
    assert "Your cart is empty." in browser.post("/cart", data={"remove": "cup"}).text


def test_buying_sends_the_total_the_buyer_saw_and_empties_the_cart(browser: Visitor, platform: Played) -> None:
    browser.post("/cart/lines", data={"sku": "tea", "quantity": "2"})
    page = browser.get("/cart")
    form = {name: field(page, name) for name in ("attempt", "currency", "expected_total_minor")}
    order = browser.post("/checkout", data=form)
    assert order.url.path == "/orders/ord_1"
    assert "RET-1" in order.text
    assert "Ten off" in order.text
    sent = next(asked for asked in platform.asked if asked[0] == "/checkouts")
    assert sent[1]["expected_total_minor"] == 198_00
    assert sent[2].startswith(f"shop-{form['attempt']}-")
    assert "Your cart is empty." in browser.get("/cart").text


def test_a_lost_answer_keeps_the_attempt_so_that_paying_again_cannot_pay_twice(
    browser: Visitor, platform: Played
) -> None:
    browser.post("/cart/lines", data={"sku": "tea"})
    page = browser.get("/cart")
    form = {name: field(page, name) for name in ("attempt", "currency", "expected_total_minor")}
    platform.is_away = True
    lost = browser.post("/checkout", data=form)
    assert lost.status_code == 502
    assert "never charged twice" in lost.text
    assert field(lost, "attempt") == form["attempt"]
    platform.is_away = False
    browser.post("/checkout", data=form)
    keys = [key for path, _, key in platform.asked if path == "/checkouts"]
    assert len(keys) == 2
    assert keys[0] == keys[1]


def test_a_declined_payment_keeps_the_cart_and_makes_the_next_try_a_new_one(browser: Visitor, platform: Played) -> None:
    platform.answer = (402, {"code": "payment.declined", "detail": "card_declined"}, {})
    browser.post("/cart/lines", data={"sku": "tea"})
    page = browser.get("/cart")
    form = {name: field(page, name) for name in ("attempt", "currency", "expected_total_minor")}
    answer = browser.post("/checkout", data=form)
    assert answer.status_code == 402
    assert "Nothing was charged." in answer.text
    assert "card_declined" not in answer.text
    assert field(answer, "attempt") != form["attempt"]


def test_orders_of_other_browsers_are_not_shown(browser: Visitor) -> None:
    assert browser.get("/orders/ord_1").status_code == 404
    assert browser.post("/orders/ord_1/again").status_code == 404
    assert browser.get("/waiting/run_1").status_code == 404


def test_a_request_from_another_site_changes_nothing(browser: Visitor) -> None:
    for headers in ({"sec-fetch-site": "cross-site"}, {"origin": "http://evil.example"}):
        assert browser.post("/cart/lines", data={"sku": "tea"}, headers=headers).status_code == 403
    assert "Your cart is empty." in browser.get("/cart").text


def test_a_platform_that_is_away_gives_a_page_that_says_so() -> None:
    def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    shop = FrontSettings(api_url="http://platform", api_key="zk_test", cookie_secret="s")
    visitor = Visitor(create_shop(shop, httpx.MockTransport(away)))
    page = visitor.get("/")
    visitor.leave()
    assert page.status_code == 502
    assert "cannot reach its platform" in page.text


def asking(cookie: str, by: str) -> Request:
    """A request that brings a cart cookie to a shop that signs with `by`."""
    shop = create_shop(FrontSettings(api_url="http://platform", api_key="zk_test", cookie_secret=by))
    return Request({"type": "http", "app": shop, "headers": [(b"cookie", f"cart={cookie}".encode())]})


def test_a_tampered_cart_is_an_empty_cart() -> None:
    kept = Jar("secret").dumps("cart", kept_cart(Cart().adding("tea", 2)))
    assert read_cart(asking(kept, "secret")) == Cart(pieces=(("tea", 2),))
    assert read_cart(asking(kept[:-1] + "x", "secret")) == Cart()
    assert read_cart(asking(kept, "other")) == Cart()


def test_a_full_cart_fits_into_a_cookie() -> None:
    cart = Cart(coupons=("C" * 20,) * 5)
    for number in range(MOST_LINES + 10):
        cart = cart.adding(f"RT-LONG-SKU-NAME-{number:06d}-AND-MORE", 999)
    assert len(cart.pieces) == MOST_LINES
    assert len(Jar("secret").dumps("cart", kept_cart(cart))) < 4_000


def test_the_same_attempt_at_another_cart_is_another_purchase() -> None:
    one, two = Cart().adding("tea", 1).as_request("CNY"), Cart().adding("tea", 2).as_request("CNY")
    assert idempotency_key("a", one) == idempotency_key("a", dict(reversed(one.items())))
    assert len({idempotency_key("a", one), idempotency_key("a", two), idempotency_key("b", one)}) == 3


def test_money_is_written_exactly() -> None:
    assert money(1_234_50, "CNY") == "¥1,234.50"
    assert money(-5, "CNY") == "−¥0.05"
    assert money(1234, "JPY") == "JP¥1,234"


def test_pictures_follow_what_a_thing_is_and_stay_the_same() -> None:
    offer = an_offer("RT-1", 1, "food/drinks/coffee")
    assert shape_of(offer) == "pouch"
    assert shape_of(offer | {"category": "garden/gnomes"}) == "box"
    assert picture(offer) == picture(dict(offer))
    assert "style=" not in picture(offer)


def test_categories_have_names_and_children() -> None:
    assert category_name("food/drinks/tea", "zh") == "茶叶"
    assert category_name("garden/gnome-hats", "en") == "Gnome hats"
    assert child_of("food/drinks/tea", "food") == "food/drinks"
    assert child_of("food", "food") is None


def test_every_text_a_page_uses_exists_in_both_languages_and_none_lies_about() -> None:
    used = set()
    for template in TEMPLATES:
        used |= set(re.findall(r'\bt\(["\']([a-z_.]+)["\']', template.read_text()))
    made = {key for key in TEXTS if key.startswith(("theme.", "coupon.", "method.", "status.", "tier.", "problem."))}
    used = {key for key in used if not key.endswith(".")}
    assert used <= set(TEXTS | SHARED)
    assert set(TEXTS) - used - made == set()
    for english, chinese in (TEXTS | SHARED).values():
        assert english
        assert re.search("[\u4e00-\u9fff]", chinese)


def test_templates_hold_no_script_no_style_and_nothing_unescaped() -> None:
    for template in TEMPLATES:
        text = template.read_text()
        assert "style=" not in text, template
        assert "|safe" not in text, template
        assert "hx-on" not in text, template
        assert not re.search(r"<script(?![^>]*src=)", text), template


def test_settings_come_from_the_environment_or_the_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZHONGTAI_STATE_FOLDER", str(tmp_path))
    monkeypatch.delenv("ZHONGTAI_API_URL", raising=False)
    monkeypatch.delenv("ZHONGTAI_API_KEY", raising=False)
    monkeypatch.delenv("ZHONGTAI_API_KEY_RETAIL", raising=False)
    with pytest.raises(NotConfiguredError, match="make up"):
        read_settings("retail")
    facts = {"api_url": "http://127.0.0.1:8080/api/v1", "api_keys": {"retail": "zk_a"}}
    (tmp_path / "demo.json").write_text(json.dumps(facts))
    assert (read_settings("retail").api_url, read_settings("retail").api_key) == ("http://127.0.0.1:8080", "zk_a")
    monkeypatch.setenv("ZHONGTAI_API_KEY", "zk_b")
    assert read_settings("retail").api_key == "zk_b"
