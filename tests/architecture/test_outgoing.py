"""Whoever opens a connection stands in a list that was reviewed, with who chooses the address.

A connection is known by the calls of the standard library and of the libraries in use that open one. A module
that makes one and is not in the list fails here, and so does a line of the list that names none any more.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import bruk

SOURCE = Path(bruk.__file__).parent
REVIEWED = Path(__file__).parent / "outgoing.txt"
# Modules that do nothing but connect, or whose every call may.
ROOTS = {"httpx", "requests", "urllib.request", "http.client", "ftplib", "smtplib", "telnetlib", "aiohttp"}
ROOTS |= {"websockets", "urllib3", "openai", "paramiko", "xmlrpc", "huggingface_hub", "ray"}
HTTPX = {f"httpx.{name}" for name in ("Client", "AsyncClient", "get", "post", "put", "request", "stream")}
# Names in them that open nothing.
SHAPES = {"Timeout", "Limits", "Request", "Response", "Auth", "URL", "Headers"}
CALLS = {"connect", "connect_ex", "sendto", "sendmsg", "create_connection", "create_datagram_endpoint"}
CALLS |= {"open_connection", "open_unix_connection", "sock_connect", "urlopen", "urlretrieve"}
CALLS |= {"create_engine", "from_pretrained", "load_dataset", "snapshot_download", "init_process_group"}
PROGRAMS = {"curl", "wget", "ssh", "scp", "rsync", "git", "nc", "apptainer", "docker", "podman"}


def _names(tree: ast.AST) -> dict[str, str]:
    """Local name to what it stands for, of every import wherever it is."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for item in node.names:
                bound = item.asname or item.name.split(".")[0]
                found[bound] = item.name if item.asname else bound
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.update({item.asname or item.name: f"{node.module}.{item.name}" for item in node.names})
    return found


def _calls(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text("utf-8"))
    names = _names(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            said = ast.unparse(node.func)
            head, dot, rest = said.partition(".")
            whole = names.get(head, head) + dot + rest
            last = said.rsplit(".", 1)[-1]
            if any(whole.startswith(f"{root}.") for root in ROOTS) and last not in SHAPES:
                yield whole
            elif last in CALLS:
                yield last if "." in said else whole.rsplit(".", 1)[-1]
            if last in ("Popen", "run", "check_output", "check_call", "create_subprocess_exec", "execv"):
                words = {
                    word.value.rsplit("/", 1)[-1]
                    for part in node.args
                    for word in ast.walk(part)
                    if isinstance(word, ast.Constant) and isinstance(word.value, str)
                }
                yield from (f"program {word}" for word in words & PROGRAMS)


def _found() -> set[str]:
    found = set()
    for path in sorted(SOURCE.rglob("*.py")):
        module = ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
        found |= {f"{module} {call}" for call in _calls(path)}
    return found


def _reviewed() -> dict[str, str]:
    lines = [line.partition("#") for line in REVIEWED.read_text("utf-8").splitlines()]
    return {" ".join(what.split()): why.strip() for what, _, why in lines if what.strip()}


def test_every_outgoing_connection_was_reviewed() -> None:
    reviewed = _reviewed()
    assert sorted(_found() - set(reviewed)) == [], "say in outgoing.txt whose choice the address is"
    assert all(len(why.split()) > 2 for why in reviewed.values()), "each line says why"


def test_no_reviewed_connection_is_gone() -> None:
    assert sorted(set(_reviewed()) - _found()) == []


def test_no_answer_and_no_environment_leads_elsewhere() -> None:
    """No client follows a redirect; only the command line's, and never to this machine, goes by a proxy."""
    wrong = []
    for path in sorted(SOURCE.rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Call) and ast.unparse(node.func) in HTTPX):
                continue
            given = {item.arg: ast.unparse(item.value) for item in node.keywords}
            own = path.relative_to(SOURCE) == Path("sdk/transport.py")
            expected = "host not in _LOOPBACK" if own else "False"
            if given.get("trust_env") != expected or given.get("follow_redirects", "False") != "False":
                wrong.append(f"{path.relative_to(SOURCE)}:{node.lineno}")
    assert wrong == []


def test_the_search_finds_every_way(tmp_path: Path) -> None:
    ways = {
        "import httpx\nhttpx.get(u)": "httpx.get",
        "def f():\n import httpx as h\n h.AsyncClient()": "httpx.AsyncClient",
        "from httpx import Client\nClient()": "httpx.Client",
        "import urllib.request\nurllib.request.urlopen(u)": "urllib.request.urlopen",
        "from urllib import request\nrequest.urlopen(u)": "urllib.request.urlopen",
        "from http.client import HTTPConnection as C\nC(h)": "http.client.HTTPConnection",
        "import socket\nsocket.create_connection((h, p))": "create_connection",
        "from socket import create_connection\ncreate_connection((h, p))": "create_connection",
        "a_socket.connect((h, p))": "connect",
        "import asyncio\nasyncio.open_connection(h, p)": "open_connection",
        "import subprocess\nsubprocess.run(['/usr/bin/curl', u])": "program curl",
    }
    for text, call in ways.items():
        file = tmp_path / "module.py"
        file.write_text(text)
        assert list(_calls(file)) == [call], text
