"""A run in a sandbox reaches what it declares, by its proxy, and nothing else by any way."""

import contextlib
import http.server
import json
import os
import signal
import ssl
import sys
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from bruk.engines.base import EndCause, LaunchFailed
from bruk.engines.local import records
from bruk.engines.local.processes import process
from bruk.model.egress import parse
from bruk.model.run import Observed

from .conftest import Works, wait_for

HERE = "127.0.0.2"  # Of this machine's loopback, but no name or address that programs take no proxy for.
ASK = """
import os, socket, sys
def ask(target):
    caller = socket.create_connection(("127.0.0.1", 3128), 30)
    caller.sendall(f"CONNECT {target} HTTP/1.1\\r\\n\\r\\n".encode())
    return caller, caller.recv(4096).decode().splitlines()[0]
"""


class Site:
    """An https server whose folder holds a package index, as operators keep one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "index"
        self.certificate = folder / "ca.pem"
        (self.folder / "demo").mkdir(parents=True)
        self._wheel()
        (self.folder / "file").write_bytes(b"from the site")
        handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(self.folder))
        handler.func.log_message = lambda *_: None  # type: ignore[method-assign]
        self.server = http.server.ThreadingHTTPServer((HERE, 0), handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(_certified(self.certificate))
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        self.rule = f"{HERE}:{self.port}"
        self.url = f"https://{self.rule}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def _wheel(self) -> None:
        about = "demo_package-1.0.dist-info"
        name = "demo_package-1.0-py3-none-any.whl"
        (self.folder / "demo-package").mkdir()
        with zipfile.ZipFile(self.folder / "demo-package" / name, "w") as file:
            file.writestr("demo_package.py", "ANSWER = 42\n")
            file.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: demo-package\nVersion: 1.0\n")
            file.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            file.writestr(f"{about}/RECORD", "")
        (self.folder / "demo-package" / "index.html").write_text(f'<a href="{name}">{name}</a>')


def _certified(path: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(HERE))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    both = path.with_suffix(".both")
    plain = serialization.NoEncryption(), serialization.PrivateFormat.PKCS8
    both.write_bytes(key.private_bytes(serialization.Encoding.PEM, plain[1], plain[0]) + path.read_bytes())
    return both


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    yield made
    made.server.shutdown()
    made.server.server_close()


def _opened(works: Works, *rules: str) -> Works:
    works.config = replace(works.config, egress=tuple(map(parse, rules)))
    return works


def _written(works: Works, run: str = "run-a") -> list[dict[str, object]]:
    return [json.loads(line) for line in (works.at(run) / records.NETWORK_LOG).read_text().splitlines()]


def _said(works: Works, script: str, **more: object) -> str:
    engine = works.engine()
    handle = engine.launch(works.launch(script, **more))
    status = works.end(engine, handle)
    said = engine.logs(handle, 0, 10**6)[0].decode()
    assert status.exit_code == 0, said
    return said


def _lines(said: str) -> list[str]:
    """What the run itself has said."""
    return [line for line in said.splitlines() if line and not line.startswith("[bruk]")]


def test_without_a_sandbox_a_declaration_is_refused(tmp_path: Path) -> None:
    works = _opened(Works(tmp_path), "pypi.org:443")
    with pytest.raises(LaunchFailed, match="isolation 'none'"):
        works.engine().launch(works.shell("exit 0", network=("pypi.org:443",)))
    assert list(works.engine().handles()) == []


def test_pythons_own_client_reaches_what_is_declared(boxed: Works, site: Site) -> None:
    script = f"""
import ssl, urllib.request
context = ssl.create_default_context(cafile={str(boxed.folder / "run-a" / "ca.pem")!r})
print(urllib.request.urlopen({site.url + "/file"!r}, context=context, timeout=30).read().decode(), flush=True)
"""
    (boxed.folder / "run-a").mkdir()
    (boxed.folder / "run-a" / "ca.pem").write_bytes(site.certificate.read_bytes())
    said = _said(_opened(boxed, site.rule), script, network=(site.rule,))
    assert "from the site\n" in said
    assert f"[bruk] network: connected to {site.rule} at {HERE}" in said
    opened, ended = _written(boxed)
    assert (opened["what"], opened["to"], opened["address"]) == ("opened", site.rule, HERE)
    assert ended["what"] == "ended"
    assert int(str(ended["received"])) > 100


def test_pip_fetches_a_package_from_a_declared_index(boxed: Works, site: Site) -> None:
    pytest.importorskip("pip")
    (boxed.folder / "run-a").mkdir()
    (boxed.folder / "run-a" / "ca.pem").write_bytes(site.certificate.read_bytes())
    index = ("--index-url", site.url, "--cert", str(boxed.folder / "run-a" / "ca.pem"))
    options = ("--no-deps", "--no-cache-dir", "--disable-pip-version-check", "--target", "fetched")
    command = (sys.executable, "-m", "pip", "install", *index, *options, "demo-package")
    engine = _opened(boxed, site.rule).engine()
    handle = engine.launch(boxed.command(command, "run-a", network=(site.rule,)))
    assert boxed.end(engine, handle).exit_code == 0, engine.logs(handle, 0, 10**5)[0].decode()
    assert (boxed.folder / "run-a" / "fetched" / "demo_package.py").read_text() == "ANSWER = 42\n"


def test_every_other_way_is_closed(boxed: Works, site: Site) -> None:
    """One run tries them all, and what it declared still works at the end."""
    script = f"""{ASK}
import errno
for target in [("{HERE}", {site.port}), ("192.0.2.1", 443), ("169.254.169.254", 80), ("8.8.8.8", 53)]:
    try: socket.create_connection(target, 5); print("REACHED", target)
    except OSError as error: print(target[0], errno.errorcode[error.errno], flush=True)
try: socket.getaddrinfo("example.org", 443); print("RESOLVED")
except OSError as error: print("names", type(error).__name__, flush=True)
for target in ["{HERE}:{site.port + 1}", "127.0.0.1:{site.port}", "169.254.169.254:80", "example.org:443",
               "localhost:{site.port}", "2130706434:{site.port}", "[::1]:{site.port}"]:
    print(target.partition(":")[0], ask(target)[1].split()[1], flush=True)
print("declared", ask("{HERE}:{site.port}")[1].split()[1])
"""
    _opened(boxed, site.rule, f"localhost:{site.port}")
    said = _said(boxed, script, network=(site.rule, f"localhost:{site.port}"))
    assert _lines(said) == [
        f"{HERE} ECONNREFUSED",
        *("192.0.2.1 ENETUNREACH", "169.254.169.254 ENETUNREACH", "8.8.8.8 ENETUNREACH", "names gaierror"),
        *(f"{HERE} 403", "127.0.0.1 403", "169.254.169.254 403", "example.org 403"),
        *("localhost 403", "2130706434 400", "[ 403", "declared 200"),
    ]
    refused = [each for each in _written(boxed) if each["what"] == "refused"]
    assert len(refused) == 7
    assert "127.0.0.1 is the loopback" in str(refused[4]["why"])
    assert said.count("[bruk] network: refused") == 7


def test_a_run_that_declares_nothing_has_no_proxy(boxed: Works) -> None:
    script = """
import os, socket
print(sorted(name for name in os.environ if "PROXY" in name.upper()), flush=True)
try: socket.create_connection(("127.0.0.1", 3128), 5)
except ConnectionRefusedError: print("closed")
"""
    assert _said(_opened(boxed, "pypi.org:443"), script) == "[]\nclosed\n"
    assert not (boxed.at() / records.NETWORK_LOG).exists()


def test_a_run_cannot_take_the_proxys_place_or_its_socket(boxed: Works, site: Site) -> None:
    script = f"""{ASK}
for option in (None, socket.SO_REUSEADDR, socket.SO_REUSEPORT):
    for address in ("127.0.0.1", "0.0.0.0"):
        own = socket.socket()
        if option: own.setsockopt(socket.SOL_SOCKET, option, 1)
        try: own.bind((address, 3128)); own.listen(); print("TAKEN")
        except OSError as error: print(error.errno, flush=True)
own = os.environ["HTTPS_PROXY"], os.environ["https_proxy"], os.environ["HTTP_PROXY"], os.environ["http_proxy"]
print(set(own), ask("{site.rule}")[1].split()[1])
"""
    env = {"PATH": os.environ["PATH"], "HTTPS_PROXY": "http://127.0.0.1:9", "https_proxy": ""}
    said = _said(_opened(boxed, site.rule), script, network=(site.rule,), env=env)
    assert _lines(said) == ["98"] * 6 + ["{'http://127.0.0.1:3128'} 200"]


def test_connections_without_end_do_not_keep_the_supervisor_from_its_work(boxed: Works, site: Site) -> None:
    """Thousands held open, heads without end among them; the run is still ended when it fills the disk."""
    script = f"""{ASK}
import resource, threading, time
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
held, rounds = [], []
def flood():
    while True:
        caller = socket.socket()
        caller.setblocking(False)
        caller.connect_ex(("127.0.0.1", 3128))
        held.append(caller)
        if len(held) > 3000:
            for each in held: each.close()
            held.clear()
            rounds.append(1)
def endless():
    while True:
        try:
            caller = socket.create_connection(("127.0.0.1", 3128), 30)
            while True: caller.sendall(b"CONNECT " + b"x" * 100000)
        except OSError: pass
threads = [threading.Thread(target=each, daemon=True) for each in (flood, endless, endless)]
for each in threads: each.start()
while len(rounds) < 2: time.sleep(0.1)
open("fill", "wb").write(bytes(30_000_000))
time.sleep(300)
"""
    engine = _opened(boxed, site.rule).engine()
    handle = engine.launch(boxed.launch(script, network=(site.rule,), grace_s=2, disk_bytes=10**7))
    supervisor = boxed.record()
    status = boxed.end(engine, handle)
    assert (status.observed, status.cause) == (Observed.EXITED, EndCause.DISK)
    assert boxed.left(handle) == []
    wait_for(lambda: process(supervisor.pid) is None)
    assert (boxed.at() / records.SUPERVISOR_LOG).read_text() == ""
    assert (boxed.at() / records.NETWORK_LOG).stat().st_size <= 2**20


def test_a_proxy_ends_with_its_supervisor(boxed: Works, site: Site) -> None:
    """No connection outlives what judged it."""
    engine = _opened(boxed, site.rule).engine()
    script = (
        f'{ASK}\nheld, said = ask("{site.rule}")\nprint("up", said, flush=True)\nimport time; time.sleep(300)'
    )
    handle = engine.launch(boxed.launch(script, network=(site.rule,)))
    boxed.said(engine, handle, "200")
    record = boxed.record()
    sockets = _connections(record.pid)
    assert sockets
    with contextlib.suppress(ProcessLookupError):
        os.kill(record.pid, signal.SIGKILL)
    assert boxed.end(engine, handle).observed is Observed.LOST
    assert boxed.left(handle) == []


def _connections(pid: int) -> list[str]:
    found = []
    for name in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError):
            found.append(os.readlink(f"/proc/{pid}/fd/{name}"))
    return [each for each in found if each.startswith("socket:")]


def test_two_runs_have_their_own_destinations(boxed: Works, site: Site) -> None:
    script = f'{ASK}\nprint(ask("{site.rule}")[1].split()[1], flush=True)'
    _opened(boxed, site.rule, "other.example:443")
    assert "200" in _lines(_said(boxed, script, network=(site.rule,)))
    assert "403" in _lines(_said(boxed, script, run="run-b", network=("other.example:443",)))
    assert (_written(boxed)[0]["what"], _written(boxed, "run-b")[0]["what"]) == ("opened", "refused")
