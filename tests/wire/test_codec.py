"""Domain dataclasses to JSON and back: nothing is guessed, and faults are named."""

from dataclasses import dataclass

import pytest

from bruk.model.errors import InvalidInput
from bruk.model.workload import EndpointSpec, JobSpec, Resources, Workload, WorkloadKind
from bruk.wire import codec

JOB = Workload("job_1", "train", "acme/lm", WorkloadKind.JOB, JobSpec(command=("true",)), 1, "usr_1")
ENDPOINT = Workload("ep_1", "chat", "acme/lm", WorkloadKind.ENDPOINT, EndpointSpec("lm"), 1, "usr_1")


@dataclass(frozen=True)
class Holder:
    """A shape that holds workloads, as answers do."""

    newest: Workload
    others: tuple[Workload, ...] = ()


@pytest.mark.parametrize("workload", [JOB, ENDPOINT], ids=["job", "endpoint"])
def test_a_workload_comes_back_as_it_was(workload):
    assert codec.load(Workload, codec.dump(workload)) == workload


@pytest.mark.parametrize(
    "spec",
    [{"model": "lm"}, {"model": "lm", "sites": [], "grace_s": 3, "resources": {"nodes": 2}}],
    ids=["least", "only what both have"],
)
def test_the_kind_says_the_form_of_the_spec_even_where_both_would_fit(spec):
    job = codec.load(Workload, {**codec.dump(JOB), "spec": spec})
    endpoint = codec.load(Workload, {**codec.dump(ENDPOINT), "spec": spec})
    assert isinstance(job.spec, JobSpec)
    assert isinstance(endpoint.spec, EndpointSpec)
    assert endpoint.spec.model == job.spec.model == "lm"


def test_it_does_so_within_other_shapes_and_with_specs_already_made():
    data = codec.dump(ENDPOINT)
    held = codec.load(
        Holder, {"newest": {**data, "spec": {"model": "lm"}}, "others": [codec.dump(JOB), data]}
    )
    assert held == Holder(ENDPOINT, (JOB, ENDPOINT))
    assert codec.load(Workload, {**data, "spec": EndpointSpec("lm")}) == ENDPOINT


def test_a_fault_in_the_spec_is_named():
    data = codec.dump(ENDPOINT)
    with pytest.raises(InvalidInput, match=r"spec of this endpoint: model is missing"):
        codec.load(Workload, {**data, "spec": {"command": ["true"]}})
    with pytest.raises(InvalidInput, match=r"resources\.nodes must be a whole number"):
        codec.load(Workload, {**data, "spec": {"model": "lm", "resources": {"nodes": "many"}}})
    with pytest.raises(InvalidInput, match="kind must be"):
        codec.load(Workload, {**data, "kind": "sculpture"})
    with pytest.raises(InvalidInput, match="Workload: "):
        codec.load(Workload, "not even an object")


def test_a_list_is_dumped_one_by_one():
    assert codec.dump([Resources(nodes=2)]) == [codec.dump(Resources(nodes=2))]
