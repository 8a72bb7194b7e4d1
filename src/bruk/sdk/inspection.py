"""Operators' requests to look at what a project's work wrote and holds."""

from collections.abc import Iterator

from bruk.model.inspection import OperatorAccess
from bruk.model.tenant import Tenant
from bruk.sdk.transport import Transport, segment
from bruk.wire.access import InspectionBody, OperatorAccessBody
from bruk.wire.answers import AccessRequest


class AccessRequests:
    """Routes below ``/access-requests``."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self) -> Iterator[AccessRequest]:
        """Those that the caller may see, with what was looked at, newest first."""
        return self._transport.items("/access-requests", AccessRequest)

    def ask(self, body: InspectionBody) -> AccessRequest:
        """Ask to look at a project's content; open at once unless its tenant demands to approve."""
        return self._transport.load(AccessRequest, self._transport.send("POST", "/access-requests", body))

    def approve(self, request: str) -> AccessRequest:
        """Let the operator look; for the tenant's administrators."""
        answer = self._transport.send("POST", f"/access-requests/{segment(request)}/approve")
        return self._transport.load(AccessRequest, answer)

    def end(self, request: str) -> AccessRequest:
        """End it before its time, or say no."""
        answer = self._transport.send("POST", f"/access-requests/{segment(request)}/end")
        return self._transport.load(AccessRequest, answer)

    def demand(self, tenant: str, wanted: OperatorAccess) -> Tenant:
        """Say whether operators need the tenant's approval; for its administrators."""
        body = OperatorAccessBody(operator_access=wanted)
        answer = self._transport.send("PUT", f"/tenants/{segment(tenant)}/operator-access", body)
        return self._transport.load(Tenant, answer)
