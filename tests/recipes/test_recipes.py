"""Each recipe is followed literally, in a copy of the project: new files written, edits made, its check run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RECIPES = sorted((ROOT / "docs/recipes").glob("*.md"))
SOURCE = ("capabilities", "rules", "activities", "workflows", "web", "zhongtai", "migrations")
BLOCK = re.compile(r"^```(?P<language>\w+) (?P<about>[^\n]+)\n(?P<body>.*?)^```$", re.DOTALL | re.MULTILINE)
ABOUT = re.compile(r'(\w+)=(?:"((?:[^"\\]|\\.)*)"|(\S+))')


@dataclass(frozen=True)
class Block:
    language: str
    about: dict[str, str]
    is_check: bool
    body: str


def blocks_of(recipe: Path) -> list[Block]:
    found = []
    for match in BLOCK.finditer(recipe.read_text(encoding="utf-8")):
        about = {key: (quoted or plain).replace('\\"', '"') for key, quoted, plain in ABOUT.findall(match["about"])}
        found.append(Block(match["language"], about, match["about"].strip() == "check", match["body"]))
    return found


def edited(text: str, block: Block) -> str:
    """The file after the edit; the place it names must be there exactly once (inside `within`, where given)."""
    if "replace" in block.about:
        assert text.count(block.about["replace"]) == 1, (
            f"{block.about['replace']!r} stands {text.count(block.about['replace'])} times"
        )
        return text.replace(block.about["replace"], block.body.rstrip("\n"))
    start = text.index(block.about["within"]) if "within" in block.about else 0
    mark = block.about.get("after") or block.about["before"]
    at = text.index(mark, start)
    place = text.rindex("\n", 0, at) + 1 if "before" in block.about else text.index("\n", at) + 1
    return text[:place] + block.body + text[place:]


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_following_the_recipe_gives_what_it_promises(recipe, tmp_path, database_url):
    for folder in SOURCE:
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__", "vendor"))
    checks = 0
    for block in blocks_of(recipe):
        if block.is_check:
            checks += 1
            environment = os.environ | {
                "DATABASE_URL": database_url,
                "PYTHONPATH": str(tmp_path),
                "PYTHONDONTWRITEBYTECODE": "1",
            }
            done = subprocess.run(
                [sys.executable, "-c", block.body],
                cwd=tmp_path,
                env=environment,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            assert done.returncode == 0, done.stderr
        elif block.language == "edit":
            target = tmp_path / block.about["file"]
            target.write_text(edited(target.read_text(encoding="utf-8"), block), encoding="utf-8")
        else:
            target = tmp_path / block.about["file"]
            assert not target.exists(), f"{block.about['file']} is there already"
            target.write_text(block.body, encoding="utf-8")
    assert checks == 1


def test_there_are_recipes_for_an_activity_a_fact_and_a_line_of_business():
    assert {path.stem for path in RECIPES} >= {"add-an-activity", "add-a-fact", "add-a-line-of-business"}
