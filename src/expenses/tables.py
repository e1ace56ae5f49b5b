"""All tables of the service in one place, for Alembic: importing this fills `metadata`."""

from expenses.accounts import tables as accounts
from expenses.audit import tables as audit
from expenses.db import metadata
from expenses.idempotency import tables as idempotency
from expenses.ledger import tables as ledger
from expenses.payments import tables as payments
from expenses.rates import tables as rates
from expenses.reports import tables as reports
from expenses.sharing import tables as sharing
from expenses.workspaces import tables as workspaces

__all__ = [
    "accounts",
    "audit",
    "idempotency",
    "ledger",
    "metadata",
    "payments",
    "rates",
    "reports",
    "sharing",
    "workspaces",
]
