"""Steps about buyers."""

from __future__ import annotations

from sqlalchemy.orm import Session

from activities.catalogue import StepContext, operation
from capabilities.user.contract import AdmitBuyer, AdmittedBuyer
from capabilities.user.service import admit_buyer


@operation("user.admit", en="Admit the buyer", zh="核验买家", changes=False)
def admit(session: Session, context: StepContext, request: AdmitBuyer) -> AdmittedBuyer:  # noqa: ARG001 - one signature for all steps
    """Refuses suspended buyers; a guest is admitted with the tier that guests have."""
    return admit_buyer(session, request)
