"""Every parser of what somebody outside wrote: how it is called, what is good, what it may raise.

A new parser is one more line of ``PARSERS``. ``test_parsers`` throws bytes at each; a test there fails
when a module of Bruk reads JSON, TOML, tables, archives or packed bytes and is named neither here nor
in ``reviewed_readers.txt``.
"""

import io
import json
import tarfile
import tempfile
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import orjson

from bruk.agent import local_hold, standing
from bruk.agent.record import Records
from bruk.agent.sync import ControlAway, ControlRefused, HttpTransport
from bruk.agent.tail import ProgressTail
from bruk.assembly import gateway as gateway_process
from bruk.assembly.backup import archive
from bruk.assembly.home import Home, remember
from bruk.cli import jobfile, quantity, submit, verify
from bruk.cli.settings import Settings
from bruk.console.charts import curve, read_trace
from bruk.control import models
from bruk.control.blobs import BlobStore
from bruk.engines.base import DeviceSet
from bruk.engines.local import accelerators, connect, records
from bruk.engines.local.index import Entry, Index
from bruk.engines.meter import RaplMeter, SmiMeter
from bruk.facility.tables import parse_table
from bruk.gateway.events import EventTooLong, Splitter, data_of, with_data
from bruk.gateway.lease import LeaseHolder, LeaseRefused
from bruk.gateway.parse import Route, for_engine, parse
from bruk.gateway.problem import Refusal
from bruk.gateway.splice import JsonObject, NotAnObject
from bruk.journal import Journal
from bruk.journal.frame import Header, frames_behind, pack_frame, pack_header, read_frame, unpack_header
from bruk.journal.position import Position
from bruk.model.artifact import Artifact, ArtifactKind
from bruk.model.clock import ManualClock
from bruk.model.errors import BrukError
from bruk.model.jsontext import parse_json
from bruk.recipes import run as recipe_run
from bruk.recipes import texts
from bruk.recipes.settings import PretrainConfig
from bruk.sdk import Client
from bruk.seal import Keyring, PublicKey, SealError, SignedDocument, SigningKey, verify_export
from bruk.seal.canonical import parse_canonical
from bruk.twin import trace
from bruk.twin.explain import read_snapshot
from bruk.wire import codec, tree
from bruk.wire.agent import SyncRequest, SyncResponse
from bruk.wire.fields import sound_json
from bruk.wire.gateway import GatewayAnswer, GatewaySync
from bruk.wire.requests import JobBody


@dataclass(frozen=True)
class Parser:
    """One parser.

    Attributes:
        module: the module of Bruk that it belongs to.
        call: reads bytes; whatever it returns is a value, whatever it raises must be in ``raises``.
        good: what it reads, to be bent.
        raises: its documented errors.
    """

    name: str
    module: str
    call: Callable[[bytes], Any]
    good: tuple[bytes, ...]
    raises: tuple[type[Exception], ...] = (BrukError,)


_HELD = tempfile.TemporaryDirectory(prefix="bruk-parsers-")  # Gone with this process.
_FOLDER = Path(_HELD.name)
_SALT = b"twelve bytes"
_KEY = SigningKey.generate()
_TRANSPORT = HttpTransport("http://127.0.0.1:1", "token")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass" if data.isascii() else "replace")


def _file(data: bytes, name: str = "file", folder: str = "any") -> Path:
    path = _FOLDER / folder / name
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_bytes(data)
    return path


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


def _job(data: bytes) -> None:
    jobfile.job_body(jobfile.read(_file(data, "job.toml")))


def _unpack(data: bytes) -> None:
    with tempfile.TemporaryDirectory(dir=_FOLDER) as folder:
        tree.unpack(io.BytesIO(data), Path(folder, "new"), members_max=100, size_bytes_max=1 << 20)


def _tar() -> bytes:
    folder = _FOLDER / "packed"
    (folder / "sub").mkdir(parents=True, exist_ok=True)
    (folder / "a.txt").write_text("some text")
    (folder / "sub" / ("é" * 80)).write_text("a long name, in an extended header")
    out = io.BytesIO()
    tree.pack(folder, out)
    return out.getvalue()


def _progress(data: bytes) -> None:
    tail = ProgressTail(_file(data, "progress.jsonl"))
    tail.read()
    sound_json(tail.newest)


def _events(data: bytes) -> None:
    splitter = Splitter(1 << 16)
    for event in splitter.feed(data):
        found = data_of(event)
        if found is not None:
            data_of(with_data(event, found))


def _spliced(data: bytes) -> None:
    found = JsonObject.scan(data)
    found.set("model", "another")
    assert json.loads(found.render())["model"] == "another"


def _asked(data: bytes) -> None:
    for route in Route:
        json.loads(for_engine(parse(route, data), "engine"))


def _lease(data: bytes) -> None:
    holder = LeaseHolder(
        "gw", "here", Keyring.of([_KEY.public_key]), ManualClock(), _FOLDER / "epoch", 10_000
    )
    value = parse_json(data)
    holder.take(value if isinstance(value, dict) else {})


def _epoch(data: bytes) -> None:
    path = _file(data, "epoch2")
    LeaseHolder("gw", "here", Keyring.of([_KEY.public_key]), ManualClock(), path, 10_000)


def _header(data: bytes) -> None:
    unpack_header(data, _SALT)
    read_frame(memoryview(data), 0, _SALT)
    list(frames_behind(data, 0, _SALT))


def _backup_of(body: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    keys = _file(_json(Keyring.of([_KEY.public_key]).document()), "public.json")
    with tarfile.open(fileobj=out, mode="w", encoding="utf-8") as tar:
        writer = archive.Writer(tar, 1)
        writer.begin()
        kept = writer.add("keys/public.json", keys)
        files = {"keys/public.json": [kept.size_bytes, kept.sha256]}
        writer.finish(SignedDocument.sign(archive.KIND, {"files": files, **body}, _KEY))
    return out.getvalue()


def _backup(data: bytes) -> None:
    archive.read(_file(data, "backup.tar"), Keyring.of([_KEY.public_key]), lambda _name: None)


def _snapshot(data: bytes) -> None:
    read_snapshot(_file(data, "snapshot.json"))


def _trace(data: bytes) -> None:
    for line in trace.read_table(_file(data, "trace.csv"), ("name", "gpus")):
        line.text("name")
        line.count("gpus")


def _position(data: bytes) -> None:
    Position.open(_file(data, "position"), _SALT).close()


def _control_keys(data: bytes) -> None:
    Keyring.from_document(gateway_process._json(_file(data, "control.pub")))


_BLOBS = BlobStore(_FOLDER / "blobs")


def _evaluation(data: bytes) -> None:
    digest, size = _BLOBS.put(f"upload-{uuid.uuid4()}", [data])
    output = Artifact("art_1", "acme/lab", "evaluation.json", ArtifactKind.FILE, digest, size, 1)
    control: Any = SimpleNamespace(blobs=_BLOBS)
    for name, value in models._read_record(control, output).items():
        if isinstance(value, int | float):
            models._micro(name, value)


def _journal(data: bytes) -> None:
    with tempfile.TemporaryDirectory(dir=_FOLDER) as name:
        folder = Path(name)
        Journal.open(folder / "j", new_id="journal").close()
        (folder / "j" / "journal.json").write_bytes(data)
        Journal.open(folder / "j", new_id="journal").close()


def _segment(data: bytes) -> None:
    with tempfile.TemporaryDirectory(dir=_FOLDER) as name:
        folder = Path(name) / "j"
        Journal.open(folder, new_id="journal").close()
        for path in [*folder.glob("*.seg"), folder / f"{1:020d}.seg"]:
            path.write_bytes(data)
        journal = Journal.open(folder, new_id="journal")
        list(journal.read_from(1))
        journal.close()


def _records(data: bytes) -> None:
    folder = _FOLDER / "supervised"
    for name in (records.RECORD, records.END, records.SEEN, records.ORDER):
        _file(data, name, "supervised")
    records.read_order(folder / records.ORDER)
    records.read_record(folder)
    records.read_end(folder)
    records.read_seen(folder)


def _entry(data: bytes) -> None:
    index = Index(_FOLDER / "engine")
    index.add(Entry("run.1", "run", 1, "", (DeviceSet("n", (0,)),), _FOLDER))
    for path in (_FOLDER / "engine").rglob("run.1.json"):
        path.write_bytes(data)
    list(index.entries())


def _agent_record(data: bytes) -> None:
    home = _FOLDER / "agent"
    _file(data, "agent.json", "agent/runs/run_1")
    list(Records(home).load())


def _hold(data: bytes) -> None:
    _file(data, local_hold.HOLD_FILE, "site")
    _file(data, local_hold.ANSWER_FILE, "site")
    local_hold.standing_local_hold(_FOLDER / "site")
    local_hold.local_answer(_FOLDER / "site")


def _standing(data: bytes) -> None:
    _file(data, standing._FILE, "site")
    standing.Standing.load(_FOLDER / "site")


def _shipped(data: bytes) -> None:
    """What a control, or one who answers in its place, says to an agent that hands over a log."""
    line = httpx.MockTransport(lambda _request: httpx.Response(200, content=data))
    _TRANSPORT._blocking = httpx.Client(transport=line)
    _TRANSPORT.ship("run", "logs", 0, b"x")


def _sdk(data: bytes) -> None:
    for status in (200, 409, 500):
        line = httpx.MockTransport(lambda _request, status=status: httpx.Response(status, content=data))
        try:
            Client("http://127.0.0.1:1", "token", line=line).status()
        except BrukError:
            continue


def _remembered(data: bytes) -> None:
    settings = Settings(_FOLDER / "home")
    _file(data, "cli.json", "home")
    settings.address()
    settings.credential()


def _kept(data: bytes) -> None:
    _file(data, "cli.json", "home2")
    remember(Home(_FOLDER / "home2"), url="http://127.0.0.1:1")


def _keyring(data: bytes) -> None:
    verify.keyring_of(_file(data, "keys"))


def _header_keys(data: bytes) -> None:
    verify._keys_in_header(_file(data, "export"))


def _export(data: bytes) -> None:
    verify_export(_file(data, "export.jsonl"), Keyring.of([_KEY.public_key]))
    verify_export(_file(data, "export.jsonl"), None)


def _document(data: bytes) -> None:
    SignedDocument.from_bytes(data).check(Keyring.of([_KEY.public_key]))


def _signing_key(data: bytes) -> None:
    path = _file(data, "signing.key")
    path.chmod(0o600)
    SigningKey.load(path)


def _rapl(data: bytes) -> None:
    zone = "powercap/intel-rapl:0"
    _file(b"package-0", "name", zone)
    _file(data, "energy_uj", zone)
    _file(data, "max_energy_range_uj", zone)
    RaplMeter(ManualClock(), _FOLDER / "powercap").read()


def _smi(data: bytes) -> None:
    meter = SmiMeter(ManualClock(), lambda: data.decode("utf-8"))
    meter.read()
    meter.read()


def _amd(data: bytes) -> None:
    _file(data, "properties", "kfd/0")
    accelerators._amd_names(_FOLDER / "kfd")


def _nvidia(data: bytes) -> None:
    accelerators._nvidia_rows(data)


def _corpus(data: bytes) -> None:
    _file(data, "a.jsonl", "corpus")
    texts.read_corpus(_FOLDER / "corpus")


def _config(data: bytes) -> None:
    recipe_run.read_config(_file(data, "config.json"), PretrainConfig)


def _wire(shape: type) -> Callable[[bytes], Any]:
    def read(data: bytes) -> None:
        shape.model_validate_json(data)  # type: ignore[attr-defined]

    return read


JOB = b"""name = "train"
command = ["python", "a.py"]
time_limit = "2h"
disk = "4GiB"
deadline = 2026-12-01T10:00:00Z
[resources]
devices = 2
memory = "1GiB"
[config]
rate = 0.5
"""
HOLD = _json(
    {
        "id": "hold_1",
        "scope": "local",
        "target": "here",
        "generation": 1,
        "raised_by": "me",
        "raised_at_ms": 1,
        "reason": "why",
    }
)
CHAT = (
    b'{"model": "little", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 4, "stream": true}'
)
EVENTS = b'id: 1\r\ndata: {"choices": [{"delta": {"content": "a"}}]}\n\n: comment\n\ndata: [DONE]\n\n'
PROBLEM = _json({"type": "x", "title": "t", "status": 409, "code": "conflict", "detail": "d", "about": {}})

PARSERS = [
    Parser("job file", "cli.jobfile", _job, (JOB,)),
    Parser("duration", "cli.quantity", lambda data: quantity.duration_ms(_text(data)), (b"1h30m", b"90s")),
    Parser("size", "cli.quantity", lambda data: quantity.size_bytes(_text(data)), (b"4GiB", b"500 MB")),
    Parser("money", "cli.quantity", lambda data: quantity.microeur(_text(data)), (b"12.50", b"EUR 1")),
    Parser(
        "moment", "cli.quantity", lambda data: quantity.moment_ms(_text(data)), (b"2026-11-30T18:00+01:00",)
    ),
    Parser(
        "recipe settings",
        "cli.submit",
        lambda data: submit._json_table(_file(data, "c.json")),
        (b'{"a": 1}',),
    ),
    Parser(
        "request to a run's proxy",
        "engines.local.connect",
        connect.asked,
        (b"CONNECT pypi.org:443 HTTP/1.1\r\nHost: a", b"CONNECT [2606:4700::1]:1 HTTP/1.0"),
        (connect.Refused,),
    ),
    Parser("remembered settings", "cli.settings", _remembered, (b'{"url": "http://a", "token": "t"}',)),
    Parser("settings of up", "assembly.home", _kept, (b'{"url": "http://a", "token": "t"}',)),
    Parser("keyring file", "cli.verify", _keyring, (_json(Keyring.of([_KEY.public_key]).document()),)),
    Parser(
        "keys of an export", "cli.verify", _header_keys, (_json({"keys": [_KEY.public_key.text]}) + b"\n",)
    ),
    Parser("archive", "wire.tree", _unpack, (_tar(),)),
    Parser("agent's message", "wire.agent", _wire(SyncRequest), (b'{"site": "a"}',), (ValueError,)),
    Parser("gateway's message", "wire.gateway", _wire(GatewaySync), (b'{"gateway": "a"}',), (ValueError,)),
    Parser("answer to an agent", "wire.agent", _wire(SyncResponse), (b'{"version": 1}',), (ValueError,)),
    Parser(
        "job over the wire", "wire.requests", _wire(JobBody), (b'{"name": "a", "spec": {}}',), (ValueError,)
    ),
    Parser(
        "domain value",
        "wire.codec",
        lambda data: codec.load(local_hold.Hold, parse_json(data)),
        (HOLD,),
        (BrukError, ValueError),
    ),
    Parser("progress of a run", "agent.tail", _progress, (b'{"step": 1, "loss": 2.5}\n',)),
    Parser(
        "trace for the console",
        "console.charts",
        lambda data: curve([read_trace(1, data)]),
        (b'{"step": 1, "loss": 2.5}\n',),
    ),
    Parser("agent's record of a run", "agent.record", _agent_record, (b'{"run": "run_1"}',)),
    Parser("local hold", "agent.local_hold", _hold, (HOLD,)),
    Parser("standing", "agent.standing", _standing, (b'{"holds": []}',)),
    Parser(
        "answer to shipped bytes",
        "agent.sync",
        _shipped,
        (b'{"next_offset": 3}',),
        (ControlAway, ControlRefused),
    ),
    Parser("control's answer to a client", "sdk.transport", _sdk, (PROBLEM, b'{"version": "1"}')),
    Parser("events of an engine", "gateway.events", _events, (EVENTS,), (EventTooLong,)),
    Parser("JSON object of a request", "gateway.splice", _spliced, (CHAT,), (NotAnObject,)),
    Parser("request to a model", "gateway.parse", _asked, (CHAT,), (Refusal,)),
    Parser(
        "lease",
        "gateway.lease",
        _lease,
        (_json(SignedDocument.sign("lease", {}, _KEY).document()),),
        (BrukError, ValueError),
    ),
    Parser("epoch seen", "gateway.lease", _epoch, (b"17\n",), (LeaseRefused,)),
    Parser(
        "frame of a journal",
        "journal.frame",
        _header,
        (pack_header(Header(1, 0), _SALT), pack_frame(1, 0, b"x", _SALT)),
    ),
    Parser("journal's identity", "journal.journal", _journal, (b'{"format": 1, "journal_id": "journal"}',)),
    Parser(
        "backup",
        "assembly.backup.archive",
        _backup,
        (
            _backup_of({}),
            _backup_of({"files": None}),
            _backup_of({"files": {"keys/public.json": 1}}),
            _backup_of({"files": {"keys/public.json": [1, 2, 3]}}),
        ),
    ),
    Parser("snapshot", "twin.explain", _snapshot, (b'{"now_ms": 1}', b'{"now_ms": 1, "pending": [{}]}')),
    Parser("trace of a cluster", "twin.trace", _trace, (b"name,gpus\na,1\n",)),
    Parser("position of a journal", "journal.position", _position, (bytes(8192),)),
    Parser("evaluation of a model", "control.models", _evaluation, (b'{"bits_per_byte": 1.5}',)),
    Parser("control's keys at a gateway", "assembly.gateway", _control_keys, (b"[]",)),
    Parser(
        "control's answer to a gateway",
        "gateway.sync",
        lambda data: GatewayAnswer.model_validate(orjson.loads(data)),
        (b'{"version": 1, "lease": {}, "acknowledged_seq": 0}',),
        (ValueError,),
    ),
    Parser("segment of a journal", "journal.segment", _segment, (pack_header(Header(1, 0), _SALT),)),
    Parser(
        "supervisor's records", "engines.local.records", _records, (b'{"pid": 1, "processes": [[1, 2]]}',)
    ),
    Parser(
        "engine's index", "engines.local.index", _entry, (b'{"folder": "/x", "placement": [["n", [0]]]}',)
    ),
    Parser("RAPL counter", "engines.meter", _rapl, (b"123456\n",)),
    Parser("nvidia-smi power", "engines.meter", _smi, (b"0, 71.5\n1, [N/A]\n",)),
    Parser("nvidia-smi names", "engines.local.accelerators", _nvidia, (b"0, NVIDIA H100\n",)),
    Parser(
        "kfd topology", "engines.local.accelerators", _amd, (b"simd_count 304\ngfx_target_version 90402\n",)
    ),
    Parser(
        "table of data",
        "facility.tables",
        lambda data: parse_table(_text(data), "t.csv"),
        (b"x,quantity,value,unit,source,retrieved\na,b,1,W,s,2026\n",),
    ),
    Parser("canonical JSON", "seal.canonical", parse_canonical, (b'{"a":1}',), (SealError,)),
    Parser(
        "signed document",
        "seal.signed",
        _document,
        (SignedDocument.sign("x", {"a": 1}, _KEY).to_bytes(),),
        (SealError,),
    ),
    Parser(
        "export",
        "seal.verify",
        _export,
        (b'{"chain":"audit","count":0,"export":1,"exported_at_ms":1,"keys":[]}\n',),
        (SealError,),
    ),
    Parser(
        "public key",
        "seal.keys",
        lambda data: PublicKey.from_text(_text(data)),
        (_KEY.public_key.text.encode(),),
        (SealError,),
    ),
    Parser("signing key", "seal.keys", _signing_key, (b"{}",), (SealError, BrukError)),
    Parser(
        "keyring",
        "seal.keyring",
        lambda data: Keyring.from_document(parse_json(data)),
        (_json(Keyring.of([_KEY.public_key]).document()),),
        (SealError, ValueError),
    ),
    Parser(
        "corpus", "recipes.texts", _corpus, (b'{"text": "a"}\n{"text": "b"}\n',), (recipe_run.RecipeError,)
    ),
    Parser(
        "configuration of a recipe", "recipes.run", _config, (b'{"steps": 4}',), (recipe_run.RecipeError,)
    ),
]
