"""Secrets of projects: set, listed by name, removed."""

from bruk.model.secret import Secret
from bruk.sdk.transport import Transport, segment
from bruk.wire.requests import SecretBody


class Secrets:
    """Routes below ``/projects/TENANT/PROJECT/secrets``."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, project: str) -> list[Secret]:
        """Names of a project's secrets, with when each was set and by whom."""
        return [self._transport.load(Secret, item) for item in self._transport.get(_path(project))]

    def set(self, project: str, name: str, value: str) -> Secret:
        """Set a secret's value; nobody reads it back."""
        answer = self._transport.send("PUT", f"{_path(project)}/{segment(name)}", SecretBody(value=value))
        return self._transport.load(Secret, answer)

    def remove(self, project: str, name: str) -> None:
        """Forget a secret; jobs that need it wait until it is set again."""
        self._transport.send("DELETE", f"{_path(project)}/{segment(name)}")


def _path(project: str) -> str:
    tenant, _, name = project.partition("/")
    return f"/projects/{segment(tenant)}/{segment(name)}/secrets"
