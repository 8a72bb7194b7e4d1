"""Files that others wrote: bad ones get an error with file and line, good ones are read."""

import contextlib

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bruk.scheduler.fleet import Shape
from bruk.twin import openb as openb_format
from bruk.twin.openb import read_nodes, read_pods
from bruk.twin.trace import TraceInvalid

MIB = 2**20


@pytest.mark.parametrize(
    ("body", "line", "says"),
    [
        ("n,1000,1,2\n", 2, "4 cells under a heading of 5"),
        ("n,1000,1,2,A\nm,1000,1,2,A,9\n", 3, "6 cells"),
        ("n,-1,1,2,A\n", 2, "cpu_milli is '-1'"),
        ("n,1000,1,2.5,A\n", 2, "gpu is '2.5'"),
        ("n,1000,,2,A\n", 2, "memory_mib is ''"),
        ("n,1000,nan,2,A\n", 2, "memory_mib is 'nan'"),
        ("n,1000,1,1025,A\n", 2, "gpu is '1025', not a whole number from 0 to 1024"),
        ("n,9999999999999,1,1,A\n", 2, "cpu_milli"),
        ("n,1000,1,2,A\n\nn,1000,1,2,A\n", 4, "'n' stands above"),
        (",1000,1,2,A\n", 2, "sn names no node"),
        ("n,1000,1,0,A\n", 2, "no node above has a device"),
        ('n,"1000,1,2,A\n', 2, "unexpected end of data"),
        ("n,٣,1,2,A\n", 2, "cpu_milli is '٣'"),
    ],
)
def test_nodes_that_cannot_be_used(nodes, body, line, says):
    file = nodes(body)
    with pytest.raises(TraceInvalid) as refused:
        read_nodes(file)
    assert refused.value.message.startswith(f"{file}, line {line}: "), refused.value.message
    assert says in refused.value.message


@pytest.mark.parametrize(
    ("body", "line", "says"),
    [
        ("p,1,1,1,1001,\n", 2, "gpu_milli is '1001'"),
        ("p,1,1,1,0,\n", 2, "0 thousandths of a device cannot be had"),
        ("p,1,1,2,500,\n", 2, "Only one device can be shared"),
        ("p,1,1,0,500,\n", 2, "gpu_milli is 500 where num_gpu is 0"),
        ("p,1,1,1,1000,\np,1,1,-1,1000,\n", 3, "num_gpu is '-1'"),
        ("p,1,1,0,0,\n", 2, "no pod above asks for a device"),
    ],
)
def test_pods_that_cannot_be_used(pods, body, line, says):
    file = pods(body)
    with pytest.raises(TraceInvalid) as refused:
        read_pods(file)
    assert refused.value.message.startswith(f"{file}, line {line}: "), refused.value.message
    assert says in refused.value.message


def test_times_that_go_backwards_are_refused(pods):
    file = pods(
        "p,1,1,1,1000,9,8\n", "name,cpu_milli,memory_mib,num_gpu,gpu_milli,creation_time,deletion_time\n"
    )
    with pytest.raises(TraceInvalid, match="line 2: deletion_time 8 is before creation_time 9"):
        read_pods(file)


@pytest.mark.parametrize("content", [b"", b"\n", b"sn,cpu_milli\n", b"\xff\xfe", b"\x00"])
def test_a_file_that_is_no_such_table_is_refused_by_name(tmp_path, content):
    file = tmp_path / "nodes.csv"
    file.write_bytes(content)
    with pytest.raises(TraceInvalid) as refused:
        read_nodes(file)
    assert str(file) in refused.value.message


def test_a_table_with_a_heading_alone_is_empty(nodes):
    with pytest.raises(TraceInvalid, match="nothing below the heading"):
        read_nodes(nodes(""))


def test_more_nodes_than_there_is_room_for_are_refused(nodes, monkeypatch):
    monkeypatch.setattr(openb_format, "PLACES_MAX", 8)
    with pytest.raises(TraceInvalid, match="line 3: 2 nodes with up to 5 devices are more than"):
        read_nodes(nodes("n,1,1,1,A\nm,1,1,5,A\n"))


def test_what_is_read(nodes, pods):
    (node,) = read_nodes(nodes("n,96000,2,8,G2\n"))
    assert (node.cpu_milli, node.memory_bytes, node.devices, node.model) == (96_000, 2 * MIB, 8, "G2")
    found = read_pods(pods("a,1500,3,1,460,V100M32|T4\nb,10,0,0,0,T4\nc,1,1,8,1000,\n"))
    assert [pod.shape for pod in found] == [
        Shape(1500, 3 * MIB, 1, 460, ("T4", "V100M32")),
        Shape(10, 0, 0),
        Shape(1, MIB, 8),
    ]


def test_a_byte_order_mark_and_other_columns_do_no_harm(tmp_path):
    file = tmp_path / "nodes.csv"
    file.write_text("\ufeffmodel,extra,sn,gpu,memory_mib,cpu_milli\r\nA,x,n,1,2,3\r\n", encoding="utf-8")
    assert read_nodes(file)[0].cpu_milli == 3


CELLS = st.one_of(
    st.integers(-5, 2000).map(str), st.text(max_size=6), st.sampled_from(["", "1e3", " 7 ", '"', "|"])
)
TABLES = st.lists(st.lists(CELLS, max_size=7).map(",".join), max_size=6).map("\n".join)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    content=st.one_of(
        st.binary(max_size=200),
        TABLES.map(lambda body: ("sn,cpu_milli,memory_mib,gpu,model\n" + body).encode()),
        TABLES.map(lambda body: ("name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec\n" + body).encode()),
    )
)
@example(content=b"sn,cpu_milli,memory_mib,gpu,model\n" + b'"' * 200_000)
@example(content=b"sn,sn,cpu_milli,memory_mib,gpu,model\n" + b"1,2,3,4,5,6\n")
def test_whatever_is_in_a_file_it_is_read_or_refused(tmp_path, content):
    file = tmp_path / "any.csv"
    file.write_bytes(content)
    for read in (read_nodes, read_pods):
        with contextlib.suppress(TraceInvalid):
            assert read(file)


def test_the_public_files_are_read(openb):
    nodes = read_nodes(openb / "nodes.csv")
    assert (len(nodes), sum(node.devices for node in nodes)) == (1_213, 6_212)
    assert len(read_pods(openb / "pods_default.csv")) == 8_152
    assert len(read_pods(openb / "pods_multigpu20.csv")) == 8_324
