"""The built-in processes: one YAML file each, and variants for a line of business as `process.business.yaml`."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from capabilities.kernel.errors import MissingError
from capabilities.kernel.identity import PLATFORM, BusinessIdentity
from workflows.language.reading import read_yaml
from workflows.language.snapshot import Snapshot, snapshot

PROCESSES = Path(__file__).parent / "processes"


@lru_cache
def library() -> dict[str, Snapshot]:
    """Every built-in definition by its file's name without `.yaml`, such as `checkout` and `checkout.finance`."""
    return {
        path.stem: snapshot(read_yaml(path.read_text(encoding="utf-8"))) for path in sorted(PROCESSES.glob("*.yaml"))
    }


@lru_cache(maxsize=1024)
def definition_for(process: str, identity: BusinessIdentity) -> Snapshot:
    """The definition for who asks: a scenario's variant, else the business's, else the common one."""
    for wider in identity.fallback():
        parts = [process]
        if wider.business != PLATFORM:
            parts.append(wider.business)
        if wider.scenario is not None:
            parts.append(wider.scenario)
        found = library().get(".".join(parts))
        if found is not None:
            return found
    raise MissingError("process.definition_unknown", f"There is no process {process!r}.", process=process)
