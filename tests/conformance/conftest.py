"""One running Bruk for both official clients, with a model that was trained, judged and served by it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import pytest

from bruk.cli.demo.act import until
from bruk.cli.demo.scene import Scene, bruk_up
from bruk.model.workload import Outcome
from bruk.wire.requests import (
    EndpointBody,
    GateBody,
    JobBody,
    KeyBody,
    PriceBody,
    ProjectBody,
    SiteBody,
    TenantBody,
)

# Without the extra [local] there is nothing to serve.
if any(find_spec(name) is None for name in ("torch", "transformers", "tokenizers", "pyarrow")):
    collect_ignore_glob = ["test_*.py"]

MODEL = "little"
CONTEXT = 128
TRAINING = {
    "steps": 12,
    "batch": 2,
    "checkpoint_steps": 12,
    "log_steps": 1,
    "threads": 1,
    "decoder": {
        "vocabulary": 300,
        "layers": 1,
        "width": 16,
        "heads": 2,
        "key_value_heads": 1,
        "mlp_width": 32,
        "context": CONTEXT,
    },
}


@dataclass(frozen=True)
class Cloud:
    """Where clients send their calls, and with which key."""

    scene: Scene
    key: str

    @property
    def root(self) -> str:
        """What Mistral's client takes as its server."""
        return self.scene.gateway_url

    @property
    def base(self) -> str:
        """What OpenAI's client takes as its base URL."""
        return f"{self.scene.gateway_url}/v1"


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    folder = tmp_path_factory.mktemp("conformance")
    with bruk_up(folder / "home") as scene:
        yield Cloud(scene, _served(scene, folder))


def _served(scene: Scene, folder: Path) -> str:
    operator = scene.operator
    operator.sites.add(SiteBody(name="here", country="FR", grid_zone="FR"))
    operator.tenants.add(TenantBody(name="acme"))
    operator.projects.add(ProjectBody(tenant="acme", name="lab"))
    for resource in ("device_time", "tokens_in", "tokens_out"):
        operator.prices.set(PriceBody.model_validate({"resource": resource, "price_microeur": 1_000_000}))
    # A model of twelve steps is no good; what is tried here is what clients say to it.
    operator.models.set_default_gate(GateBody(limit_permille=100_000))
    until("the agent", 120, lambda: all(item.connected and item.devices for item in operator.status().sites))
    inputs = {"corpus": operator.artifacts.put(_corpus(folder / "corpus"), "acme/lab", "corpus").id}
    _run(scene, {"recipe": "pretrain", "config": TRAINING, "inputs": inputs, "model": MODEL})
    _run(scene, {"recipe": "evaluate", "evaluates": MODEL, "inputs": inputs})
    endpoint = EndpointBody(
        project="acme/lab", name=MODEL, model=MODEL, tenants=["*"], context_tokens=CONTEXT
    )
    operator.endpoints.add(endpoint)
    until("a replica", 120, lambda: any(run.ready for run in operator.endpoints.get(MODEL).runs))
    _, secret = operator.projects.add_key("acme/lab", KeyBody(name="conformance"))
    url, key = f"{scene.gateway_url}/v1/models", {"authorization": f"Bearer {secret}"}
    until("the route", 120, lambda: MODEL in httpx.get(url, headers=key, trust_env=False).text)
    return secret


def _run(scene: Scene, spec: dict[str, Any]) -> None:
    body = {"project": "acme/lab", "name": "job", "spec": {"time_limit_s": 300, "retry_limit": 0, **spec}}
    job = scene.operator.workloads.submit(JobBody.model_validate(body)).id
    work = scene.operator.workloads
    until("the job's end", 120, lambda: work.get(job).workload.outcome is not Outcome.OPEN)
    view = work.get(job)
    assert view.workload.outcome is Outcome.SUCCEEDED, json.dumps(view.workload.outcome_detail)


def _corpus(root: Path) -> Path:
    for side, count in (("train", 6), ("heldout", 2)):
        (root / side).mkdir(parents=True)
        for number in range(count):
            lines = [f"def {side}_{number}_{i}(x):\n    return x + {i * 7 % 13}\n" for i in range(40)]
            (root / side / f"module_{number}.py").write_text("\n".join(lines))
    return root
