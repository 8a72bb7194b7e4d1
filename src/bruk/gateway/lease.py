"""The lease in force: verified, never older than one before, and indexed for the hot path.

A lease is taken only if a pinned key signed it, it is meant for this gateway at this site, and its epoch
is newer than any before, also before a restart. Its life is measured by this process's own monotonic
clock from the moment of receipt, for as long as control said between `issued_at_ms` and `until_ms`:
neither a wrong wall clock here nor one there makes it longer. It must never be extended by anything else.
Look next at `sync`, which brings leases, and at `admit`, which relies on them.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from bruk.gateway.problem import Refusal
from bruk.gateway.trust import ControlKeys
from bruk.model.clock import Clock
from bruk.model.errors import BrukError, ErrorKind
from bruk.model.switch import Hold
from bruk.seal import Keyring, SealError, SignedDocument
from bruk.wire.codec import explain
from bruk.wire.gateway import LEASE_KIND, KeyGrant, Lease, ModelRoute, ProjectGrant


class LeaseRefused(BrukError):
    """A lease that must not be relied on: forged, old, or for somebody else."""

    code = "lease_refused"
    kind = ErrorKind.FORBIDDEN


class LeaseHolder:
    """Holds the newest good lease.

    Attributes:
        lease: the newest, or None before the first; it may have ended.
        keys: by the SHA-256 of the secret [hex].
        projects, models: by id, by the name that clients call.
        holds: those that stand.
    """

    def __init__(
        self,
        gateway: str,
        site: str,
        keyring: Keyring,
        clock: Clock,
        epoch_file: Path,
        life_ms_max: int,
        keyring_file: Path | None = None,
    ) -> None:
        self._gateway = gateway
        self._site = site
        self._control_keys = ControlKeys(keyring, keyring_file)
        self._clock = clock
        self._epoch_file = epoch_file
        self._life_ms_max = life_ms_max
        self._epoch = _read_epoch(epoch_file)
        self._ends_at_ms = 0
        self._taken_at_ms = 0
        self.lease: Lease | None = None
        self.keys: dict[str, KeyGrant] = {}
        self.projects: dict[str, ProjectGrant] = {}
        self.models: dict[str, ModelRoute] = {}
        self.holds: tuple[Hold, ...] = ()

    @property
    def epoch(self) -> int:
        """The newest epoch seen, also before a restart; 0 when there was none."""
        return self._epoch

    def now_ms(self) -> int:
        """Wall time of this machine [ms]."""
        return self._clock.now_ms()

    def key_ended(self, key: KeyGrant) -> bool:
        """Whether a key has expired, by control's clock as the lease in force brought it.

        This machine's wall clock may be wrong, or be set back to make an old key work again.
        """
        if key.expires_at_ms is None or self.lease is None:
            return False
        passed_ms = self._clock.monotonic_ms() - self._taken_at_ms
        return key.expires_at_ms <= self.lease.issued_at_ms + passed_ms

    def ended_for_ms(self) -> int | None:
        """Since when the gateway has no lease [ms]; None while one is in force; large before the first."""
        if self.lease is None:
            return 2**62
        over_ms = self._clock.monotonic_ms() - self._ends_at_ms
        return over_ms if over_ms >= 0 else None

    def require(self) -> Lease:
        """The lease in force.

        Raises:
            Refusal: there is none; the gateway fails closed.
        """
        if self.lease is None or self._clock.monotonic_ms() >= self._ends_at_ms:
            raise Refusal(
                "lease_ended",
                "This gateway has heard nothing from control for a while and serves nothing until it does."
                " Try again shortly.",
                retry_after_s=5,
            )
        return self.lease

    def take(self, document: Mapping[str, object], handovers: Sequence[object] = ()) -> bool:
        """Rely on this lease from now on. False when its epoch is the one in force, which changes nothing.

        Args:
            handovers: the statements by which the key that signed it followed those before it.

        Raises:
            LeaseRefused: it must not be relied on; the lease in force stays.
        """
        lease = self._checked(document, handovers)
        if self.lease is not None and lease.epoch == self.lease.epoch:
            return False
        if lease.epoch <= self._epoch:
            raise LeaseRefused(
                f"The lease has epoch {lease.epoch}, and {self._epoch} was seen already: an old lease was"
                " sent again, or control was set back to an older state.",
                epoch=lease.epoch,
                epoch_seen=self._epoch,
            )
        self._epoch = lease.epoch
        self._write_epoch()
        self._taken_at_ms = self._clock.monotonic_ms()
        self._ends_at_ms = self._taken_at_ms + (lease.until_ms - lease.issued_at_ms)
        self.lease = lease
        self.keys = {key.secret_hash: key for key in lease.keys}
        self.projects = {project.id: project for project in lease.projects}
        self.models = {model.name: model for model in lease.models}
        self.holds = tuple(hold for hold in lease.holds if hold.released_at_ms is None)
        return True

    def _checked(self, document: Mapping[str, object], handovers: Sequence[object]) -> Lease:
        try:
            signed = SignedDocument.from_document(dict(document))
            self._control_keys.check(signed, handovers)
        except SealError as error:
            raise LeaseRefused(f"The lease cannot be trusted. {error.message}", cause=error.code) from error
        if signed.kind != LEASE_KIND:
            raise LeaseRefused(f"A signed document of kind {signed.kind!r} is no lease.", kind=signed.kind)
        try:
            lease = Lease.model_validate(signed.body)
        except ValidationError as error:
            raise LeaseRefused(f"The lease cannot be read: {explain(error)}") from None
        if (lease.gateway, lease.site) != (self._gateway, self._site):
            raise LeaseRefused(
                f"The lease is for gateway {lease.gateway} at {lease.site}, not for {self._gateway} at"
                f" {self._site}.",
                gateway=lease.gateway,
                site=lease.site,
            )
        if not 0 < lease.until_ms - lease.issued_at_ms <= self._life_ms_max:
            raise LeaseRefused(
                f"The lease would last {lease.until_ms - lease.issued_at_ms} ms; between 1 and"
                f" {self._life_ms_max} ms are believed.",
            )
        return lease

    def _write_epoch(self) -> None:
        # A loss of power may take the last of these back; then leases of the few seconds before would be
        # believed again, for as long as they lasted. That is not worth a synchronisation per lease.
        draft = self._epoch_file.with_name(self._epoch_file.name + ".new")
        with contextlib.suppress(OSError):
            draft.write_text(f"{self._epoch}\n")
            os.replace(draft, self._epoch_file)


def _read_epoch(path: Path) -> int:
    try:
        return int(path.read_text().strip())
    except FileNotFoundError:
        return 0
    except (OSError, ValueError) as error:
        raise LeaseRefused(
            f"{path} does not hold the newest epoch seen. Delete it, if you are sure that no old lease can be"
            " sent to this gateway.",
            path=str(path),
        ) from error
