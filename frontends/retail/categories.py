"""Names of categories in both languages; a path the shop has no name for shows its own last word."""

from __future__ import annotations

NAMES: dict[str, tuple[str, str]] = {
    "food": ("Food & drinks", "食品饮料"),
    "drinks": ("Drinks", "饮品"),
    "tea": ("Tea", "茶叶"),
    "bags": ("Tea bags", "茶包"),
    "coffee": ("Coffee", "咖啡"),
    "juice": ("Juice", "果汁"),
    "dairy": ("Dairy", "乳品"),
    "staples": ("Staples", "粮油调味"),
    "rice": ("Rice", "大米"),
    "oil": ("Oil", "食用油"),
    "noodles": ("Noodles", "面条"),
    "sauces": ("Sauces", "调味品"),
    "snacks": ("Snacks", "零食"),
    "nuts": ("Nuts", "坚果"),
    "crisps": ("Crisps", "膨化"),
    "sweets": ("Sweets", "糖果蜜饯"),
    "fresh": ("Fresh", "生鲜"),
    "fruit": ("Fruit", "水果"),
    "home": ("Home", "家居"),
    "kitchen": ("Kitchen", "厨房"),
    "tea-ware": ("Tea ware", "茶具"),
    "cups": ("Cups", "杯具"),
    "cookware": ("Cookware", "锅具"),
    "knives": ("Knives", "刀具"),
    "bedding": ("Bedding", "床品"),
    "lighting": ("Lighting", "灯具"),
    "electronics": ("Electronics", "电器数码"),
    "audio": ("Audio", "影音"),
    "power": ("Power", "电源"),
    "beauty": ("Beauty", "美妆个护"),
    "skin": ("Skin", "护肤"),
    "hair": ("Hair", "洗护"),
    "books": ("Books & paper", "图书文具"),
    "stationery": ("Stationery", "文具"),
    "baby": ("Baby", "母婴"),
    "care": ("Care", "护理"),
    "pets": ("Pets", "宠物"),
    "cats": ("Cats", "猫咪"),
}


def top_of(path: str) -> str:
    """The first part of a category path."""
    return path.split("/", 1)[0]


def child_of(path: str, top: str) -> str | None:
    """The part of a path directly below `top`, as a path; None where the path ends there."""
    rest = path.removeprefix(f"{top}/")
    return None if rest == path else f"{top}/{rest.split('/', 1)[0]}"


def category_name(path: str, language: str) -> str:
    last = path.rsplit("/", 1)[-1]
    english, chinese = NAMES.get(last, (last.replace("-", " ").capitalize(),) * 2)
    return chinese if language == "zh" else english
