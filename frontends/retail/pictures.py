"""Product pictures the shop draws itself: the shape by what a product is, the colours by its sku, so each looks its own."""

from __future__ import annotations

import hashlib
from typing import Any

from frontends.retail.shapes import SHAPES

SHAPE_OF: tuple[tuple[str, str], ...] = (
    ("tea bag", "teabag"),
    ("tea cake", "cake"),
    ("travel tea set", "teapot"),
    ("rice cooker", "cooker"),
    ("grinder", "grinder"),
    ("kettle", "kettle"),
    ("tea-ware", "gaiwan"),
    ("cookware", "wok"),
    ("cups", "mug"),
    ("knives", "knife"),
    ("bedding", "bedding"),
    ("lighting", "lamp"),
    ("audio", "earphones"),
    ("power", "battery"),
    ("hair", "pump"),
    ("skin", "tube"),
    ("stationery", "notebook"),
    ("books", "book"),
    ("cats", "cat"),
    ("baby", "pack"),
    ("fruit", "fruit"),
    ("nuts", "nuts"),
    ("sweets", "sweets"),
    ("crisps", "packet"),
    ("noodles", "bowl"),
    ("rice", "sack"),
    ("oil", "bottle"),
    ("sauces", "bottle"),
    ("juice", "bottle"),
    ("dairy", "carton"),
    ("coffee", "pouch"),
    ("tea", "tin"),
    ("delivery", "van"),
)
"""The first word found in name or category decides; anything else comes in a box."""

PALETTES: tuple[tuple[str, str, str, str, str, str, str], ...] = (
    # board from, board to, body, shade, light, accent, paper
    ("#e6efe4", "#c7dccb", "#3f7d5d", "#2f6148", "#8fbf9f", "#d9763f", "#fbf7ec"),
    ("#f6ead9", "#ecd2b0", "#b5623a", "#8f4a2b", "#e0a273", "#2f6b58", "#fff9ee"),
    ("#e4ebf3", "#c4d4e6", "#3d6491", "#2d4c72", "#8fb0d3", "#e08a4a", "#f9f7f0"),
    ("#f5e3e1", "#e8c0bc", "#a8484c", "#843539", "#dc918d", "#2e6a62", "#fff8f2"),
    ("#f4efd9", "#e6d9a6", "#a98420", "#836516", "#dcc069", "#3c6b58", "#fffbef"),
    ("#ece6f2", "#d3c6e2", "#6a5191", "#513c72", "#a995c9", "#df8f3f", "#faf7f2"),
    ("#e0eeee", "#bcdada", "#2f7678", "#235a5c", "#84b9b9", "#d4693f", "#fbf8ef"),
    ("#efe9e1", "#d8ccbc", "#6b5847", "#524335", "#a8937d", "#3c7a64", "#fdf9f1"),
)

_OWN_COLOURS = {"wok": 7, "knife": 2, "earphones": 2, "fruit": 1}
"""Where a colour of the thing's own looks truer than one of its number's."""


def shape_of(offer: dict[str, Any]) -> str:
    """The name of the shape for an offer."""
    if offer.get("kind") == "delivery":
        return "van"
    words = f"{offer.get('name_en', '')} {offer.get('category', '')}".lower()
    return next((shape for word, shape in SHAPE_OF if word in words), "box")


def picture(offer: dict[str, Any]) -> str:
    """The SVG of an offer; the same offer always looks the same."""
    sku = str(offer["sku"])
    number = int(hashlib.sha256(sku.encode()).hexdigest()[:8], 16)
    shape = shape_of(offer)
    start, end, body, shade, light, accent, paper = PALETTES[_OWN_COLOURS.get(shape, number % len(PALETTES))]
    drawn = SHAPES[shape].format(b=body, d=shade, l=light, a=accent, p=paper)
    across, down = 60 + number % 200, 50 + number // 200 % 90
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 320 320">'
        f'<defs><linearGradient id="g" x1="0" y1="0" x2="1" y2="1"><stop stop-color="{start}"/>'
        f'<stop offset="1" stop-color="{end}"/></linearGradient></defs>'
        '<rect width="320" height="320" fill="url(#g)"/>'
        f'<circle cx="{across}" cy="{down}" r="120" fill="#fff" opacity=".22"/>'
        '<ellipse cx="160" cy="258" rx="104" ry="13" fill="#000" opacity=".1"/>'
        f"{drawn}</svg>"
    )
