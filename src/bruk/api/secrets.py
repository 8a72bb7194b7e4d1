"""Routes of projects' secrets: set, listed by name, removed; no route gives a value out."""

from fastapi import APIRouter

from bruk.api.door import Caller, ControlOf, guard
from bruk.control import secrets
from bruk.model.policy import TENANTS, Policy, Reach
from bruk.model.secret import Secret
from bruk.wire.fields import EnvName
from bruk.wire.requests import SecretBody

router = APIRouter(tags=["secrets"])
_OWN = [guard(Policy(TENANTS, Reach.PROJECT))]


@router.get("/projects/{tenant}/{project}/secrets", dependencies=_OWN)
def list_secrets(control: ControlOf, caller: Caller, tenant: str, project: str) -> list[Secret]:
    """Names of a project's secrets."""
    return secrets.listing(control, caller, f"{tenant}/{project}")


@router.put("/projects/{tenant}/{project}/secrets/{secret}", dependencies=_OWN)
def set_secret(
    control: ControlOf, caller: Caller, tenant: str, project: str, secret: EnvName, body: SecretBody
) -> Secret:
    """Set a secret's value; nobody reads it back."""
    return secrets.put(control, caller, f"{tenant}/{project}", secret, body.value)


@router.delete("/projects/{tenant}/{project}/secrets/{secret}", status_code=204, dependencies=_OWN)
def remove_secret(control: ControlOf, caller: Caller, tenant: str, project: str, secret: EnvName) -> None:
    """Forget a secret."""
    secrets.remove(control, caller, f"{tenant}/{project}", secret)
