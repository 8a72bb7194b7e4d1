"""Who answers at the ports of control and the gateway."""

from pathlib import Path
from urllib.parse import urljoin, urlsplit

from bruk.cli.doctor.check import ANSWER_S, Check, Finding


def listens(url: str) -> bool:
    """Whether anything takes connections at the port of this address on this machine."""
    import socket

    with socket.socket() as probe:
        probe.settimeout(ANSWER_S)
        return probe.connect_ex(("127.0.0.1", urlsplit(url).port or 0)) == 0


def check_port(what: str, url: str) -> Check:
    """Whether a port is free, or Bruk answers on it."""
    import httpx

    label = f"port {urlsplit(url).port}"
    if not listens(url):
        return Check(label, Finding.OK, f"free for the {what}")
    advice = f"Stop what listens there, or give 'bruk up' another port for the {what}."
    try:
        answer = httpx.get(url, timeout=ANSWER_S, trust_env=False)
    except httpx.HTTPError as error:
        return Check(label, Finding.WRONG, f"something listens and does not answer: {error}", advice)
    if "json" not in answer.headers.get("Content-Type", ""):
        return Check(label, Finding.WRONG, "something else than Bruk answers", advice)
    return Check(label, Finding.OK, f"the {what} answers")


def check_control(url: str, home: Path) -> Check:
    """As :func:`check_port`; and where a control answers, whether it is this home's: by its signing key."""
    import httpx

    from bruk.model.jsontext import parse_json
    from bruk.seal import Keyring, SealError

    found = check_port("control", url)
    own = home / "keys" / "public.json"
    if found.finding is not Finding.OK or not listens(url) or not own.is_file():
        return found
    try:
        answer = httpx.get(urljoin(url, "/api/v1/keys/public"), timeout=ANSWER_S, trust_env=False)
        theirs = Keyring.from_document(parse_json(answer.content))
        ours = Keyring.from_file(own)
    except (httpx.HTTPError, ValueError, SealError):
        return found  # Whose it is cannot be said; the check of the keys says more.
    if {key.public_key for key in ours.keys} & {key.public_key for key in theirs.keys}:
        return found
    return Check(
        found.what,
        Finding.WRONG,
        "the control of another home answers",
        "Stop that one, or give 'bruk up' another port ('--port') and doctor the same.",
    )


def check_gateway(url: str, home: Path, *, control_answers: bool) -> Check:
    """As :func:`check_port`, and says what it means that control runs here without a gateway.

    ``bruk up`` runs a gateway as soon as there is a site on this machine.
    """
    if listens(url) or not control_answers:
        return check_port("gateway", url)
    label = f"port {urlsplit(url).port}"
    detail = "control runs without a gateway: no model can be called"
    if any((home / "gateways").glob("*/token")):
        return Check(
            label, Finding.LACKS, detail, f"One ran here before; its log in {home / 'logs'} says more."
        )
    return Check(label, Finding.LACKS, detail, "'bruk up' starts it with the first site: 'bruk site add'.")
