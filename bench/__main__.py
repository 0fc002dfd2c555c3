"""All comparisons, one after the other; each writes its section of `bench/README.md`.

python -m bench [rules] [checkout]
"""

from __future__ import annotations

import subprocess
import sys

SECTIONS = {"rules": "bench.rules.compare", "checkout": "bench.checkout"}


def main(wanted: list[str]) -> int:
    unknown = [name for name in wanted if name not in SECTIONS]
    if unknown:
        print(f"There is no comparison {', '.join(unknown)}; there are {', '.join(SECTIONS)}.")
        return 2
    for name in wanted or SECTIONS:
        ended = subprocess.run([sys.executable, "-m", SECTIONS[name], "--write"], check=False)
        if ended.returncode:
            return ended.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
