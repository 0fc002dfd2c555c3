"""Rules are tested over the real vocabularies: importing a contract declares its decisions."""

import capabilities.marketing.contract
import capabilities.transaction.contract  # noqa: F401 - declares as it is imported
