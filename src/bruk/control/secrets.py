"""Commands on projects' secrets, and how a run gets them. No answer ever has a value.

Only the tenant's own set and see them; operators and auditors do not even learn their names here. A job names
the secrets it needs and finds each in its environment. One that is missing keeps the job waiting.
"""

import logging

from bruk.control import authorise, inspection
from bruk.control.control import Control
from bruk.control.vault import SecretsUnreadable
from bruk.model.errors import Forbidden, InvalidInput, NotFound
from bruk.model.secret import PER_PROJECT_MAX, VALUE_BYTES_MAX, Secret
from bruk.model.tenant import SYSTEM, Actor
from bruk.model.workload import JobSpec
from bruk.store import people
from bruk.store import secrets as store
from bruk.store.database import Connection

log = logging.getLogger(__name__)


def put(control: Control, actor: Actor, project: str, name: str, value: str) -> Secret:
    """Set a secret's value; jobs that start from now on find it.

    Raises:
        Forbidden: the caller is not of the project's tenant.
        InvalidInput: it is too long, or the project has too many.
    """
    with control.change(actor, "secret.set", f"{project}/{name}") as change:
        _own(actor, project)
        people.get_project(change.connection, project)
        if len(value.encode()) > VALUE_BYTES_MAX:
            raise InvalidInput(f"a secret may have at most {VALUE_BYTES_MAX} bytes", field="value")
        known = {item.name for item in store.secrets(change.connection, project)}
        if len(known | {name}) > PER_PROJECT_MAX:
            raise InvalidInput(f"a project may have at most {PER_PROJECT_MAX} secrets: remove one first")
        found = Secret(project, name, change.now_ms, actor.id)
        store.put(change.connection, found, control.vault.seal(value, f"{project}/{name}"))
        return found


def listing(control: Control, actor: Actor, project: str) -> list[Secret]:
    """Names of a project's secrets, with when each was set and by whom."""
    _own(actor, project)
    with control.read() as connection:
        people.get_project(connection, project)
        return store.secrets(connection, project)


def remove(control: Control, actor: Actor, project: str, name: str) -> None:
    """Forget a secret; jobs that need it wait until it is set again.

    Raises:
        NotFound: there is none.
    """
    with control.change(actor, "secret.remove", f"{project}/{name}") as change:
        _own(actor, project)
        if store.find(change.connection, project, name) is None:
            raise NotFound(f"{project} has no secret {name!r}", what="secret", id=name)
        store.remove(change.connection, project, name)


def _own(actor: Actor, project: str) -> None:
    authorise.work(actor, project, "use secrets")
    if not inspection.belongs(actor, project):
        raise Forbidden(f"the secrets of {project} are its tenant's own", needs="member")


def environment(control: Control, connection: Connection, project: str, spec: JobSpec) -> dict[str, str]:
    """A job's environment with its secrets in it; what cannot be opened is left out and said in the log."""
    if not spec.secrets:
        return spec.env
    found = dict(spec.env)
    for name, sealed in store.sealed(connection, project, spec.secrets).items():
        try:
            found[name] = control.vault.open(sealed, f"{project}/{name}")
        except SecretsUnreadable as error:
            log.error("a run of %s goes without a secret: %s", project, error.message)
    return found


def value(control: Control, connection: Connection, project: str, name: str) -> str | None:
    """The value of one secret; None where it is gone or cannot be opened, which the log says."""
    for sealed in store.sealed(connection, project, [name]).values():
        try:
            return control.vault.open(sealed, f"{project}/{name}")
        except SecretsUnreadable as error:
            log.error("the secret %s of %s cannot be used: %s", name, project, error.message)
    return None


def set_aside_unreadable(control: Control) -> None:
    """Set aside what no key opens, so that jobs wait for it and people are told, and take back what is opened
    again, as when the key was put back. For the start."""
    with control.database.write() as connection:
        for project, name, sealed, aside in store.all_sealed(connection):
            about = f"{project}/{name}"
            try:
                control.vault.open(sealed, about)
            except SecretsUnreadable as error:
                log.error("jobs wait for the secret %s: %s", about, error.message)
                if not aside:
                    store.set_aside(connection, project, name, sealed, True)
                    control.audit(connection, SYSTEM, "secret.set_aside", about, why=error.message)
                continue
            if aside:
                store.set_aside(connection, project, name, sealed, False)
                control.audit(connection, SYSTEM, "secret.found", about)
