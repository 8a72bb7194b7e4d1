"""The doctor says what is wrong and what to do, and changes nothing."""

import http.server
import json
import socket
import sqlite3
import threading

import pytest

from bruk.cli import doctor
from bruk.cli.doctor import Finding
from bruk.seal import Keyring, SigningKey


def test_a_fresh_machine_lacks_but_is_not_wrong(bruk, tmp_path):
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        ports = [str(probe.getsockname()[1]) for probe in (one, two)]
    status, out, _ = bruk("doctor", "--port", ports[0], "--gateway-port", ports[1], "--json")
    checks = {check["what"]: check for check in json.loads(out)["checks"]}
    assert status == 0
    assert checks["home"]["finding"] == "lacks"
    assert not (tmp_path / "home").exists()
    assert all(check["advice"] for check in checks.values() if check["finding"] != "ok")


def test_an_open_home_is_wrong_and_the_status_says_so(bruk, tmp_path):
    (tmp_path / "home").mkdir(mode=0o755)
    (tmp_path / "home").chmod(0o755)
    status, out, _ = bruk("doctor")
    assert status == 1
    assert "chmod 700" in out


def test_a_damaged_database_is_found_and_left_as_it_is(tmp_path):
    file = tmp_path / "bruk.sqlite3"
    file.write_bytes(b"SQLite format 3\0" + b"garbage" * 500)
    before = file.read_bytes()
    found = doctor.check_database(file)
    assert found.finding is Finding.WRONG
    assert "backup" in found.advice
    assert file.read_bytes() == before


def test_a_whole_database_is_fine(tmp_path):
    with sqlite3.connect(tmp_path / "bruk.sqlite3") as connection:
        connection.execute("CREATE TABLE t (x)")
    connection.close()
    assert doctor.check_database(tmp_path / "bruk.sqlite3").finding is Finding.OK


def test_keys_that_others_can_read_are_wrong(tmp_path):
    assert doctor.check_keys(tmp_path / "none").finding is Finding.LACKS
    assert doctor.check_keys(tmp_path).finding is Finding.WRONG
    (tmp_path / "signing.key").touch(mode=0o600)
    assert doctor.check_keys(tmp_path).finding is Finding.OK
    (tmp_path / "signing.key").chmod(0o644)
    assert "chmod 600" in doctor.check_keys(tmp_path).advice


@pytest.mark.parametrize(("media_type", "finding"), [("application/json", "ok"), ("text/html", "wrong")])
def test_a_port_is_free_or_bruk_answers_or_something_else_does(media_type, finding):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(401)
            self.send_header("Content-Type", media_type)
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.handle_request)
    # The check connects once to see whether anything listens, and once to ask.
    again = threading.Thread(target=server.handle_request)
    thread.start()
    again.start()
    url = f"http://127.0.0.1:{server.server_port}/"
    assert doctor.ports.check_port("control", url).finding == finding
    thread.join()
    again.join()
    server.server_close()
    assert doctor.ports.check_port("control", url).finding is Finding.OK


def test_the_control_of_another_home_is_called_that(tmp_path):
    own, other = (Keyring.of([SigningKey.generate().public_key]) for _ in range(2))

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(other.document()).encode())

        def log_message(self, *arguments: object) -> None:
            pass

    (tmp_path / "keys").mkdir()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/api/v1/status"
        for ring, finding in [(other, Finding.OK), (own, Finding.WRONG)]:
            (tmp_path / "keys" / "public.json").write_text(json.dumps(ring.document()))
            assert doctor.check_control(url, tmp_path).finding is finding
        assert "another home" in doctor.check_control(url, tmp_path).detail
        server.shutdown()


def test_control_without_a_gateway_says_what_that_means_and_what_to_do(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}/v1/models"
        free = doctor.check_gateway(url, tmp_path, control_answers=False)
        assert (free.finding, free.detail) == (Finding.OK, "free for the gateway")
        without = doctor.check_gateway(url, tmp_path, control_answers=True)
        assert without.finding is Finding.LACKS
        assert "no model can be called" in without.detail
        assert "bruk site add" in without.advice
        (tmp_path / "gateways" / "gw-essonne").mkdir(parents=True)
        (tmp_path / "gateways" / "gw-essonne" / "token").touch()
        assert "logs" in doctor.check_gateway(url, tmp_path, control_answers=True).advice


def test_a_package_or_program_that_is_missing_is_only_lacking():
    assert doctor.check_package("no_such_package_here").finding is Finding.LACKS
    assert doctor.check_program("no-such-program-here", "nothing happens", "nothing").finding is Finding.LACKS
