"""Settings: every one stands in the documentation with its default; a wrong value is a sentence."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from capabilities.kernel.settings import Settings, variable_of

ROOT = Path(__file__).resolve().parents[2]
ROWS = dict(re.findall(r"^\| `([A-Z_]+)` \| (.+?) \|", (ROOT / "docs" / "settings.md").read_text(), re.MULTILINE))


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_every_setting_stands_in_the_documentation_with_its_default(name):
    default = Settings.model_fields[name].default
    written = "–" if default is None else f"`{str(default).lower() if isinstance(default, bool) else default}`"
    assert ROWS[variable_of(name)] == written


def test_the_documentation_names_no_setting_that_does_not_exist():
    tables = {name for name, cell in ROWS.items() if re.fullmatch(r"`[^`]*`|–", cell)}
    assert tables == {variable_of(name) for name in Settings.model_fields}


def test_a_wrong_value_is_a_sentence_that_names_the_variable():
    answer = subprocess.run(
        [sys.executable, "-m", "zhongtai", "doctor"],
        env={**os.environ, "ZHONGTAI_PORT": "abc", "ZHONGTAI_WORKERS": "0"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 1
    assert "ZHONGTAI_PORT is 'abc': input should be a valid integer" in answer.stdout
    assert "ZHONGTAI_WORKERS is '0': input should be greater than or equal to 1." in answer.stdout
    assert "docs/settings.md" in answer.stdout
    assert "Traceback" not in answer.stdout + answer.stderr
