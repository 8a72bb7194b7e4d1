"""Files that jobs read and write, and models with their lineage and stage."""

from dataclasses import dataclass, field
from enum import StrEnum


class ArtifactKind(StrEnum):
    """How an artifact's bytes are to be read."""

    FILE = "file"
    TREE = "tree"  # a folder packed as a deterministic, uncompressed tar


@dataclass(frozen=True, slots=True)
class Artifact:
    """Content-addressed bytes with an owner.

    Attributes:
        digest: SHA-256 of the stored bytes, hex.
        locations: where copies are: ``control`` or site names.
        source_run: the run that wrote it, or None when a person put it there.
    """

    id: str
    project: str
    name: str
    kind: ArtifactKind
    digest: str
    size_bytes: int
    created_at_ms: int
    source_run: str | None = None
    locations: tuple[str, ...] = ("control",)


class Stage(StrEnum):
    """A model's stage. ``control.models`` moves it; ``transitions.MODEL_STAGE`` says how."""

    DRAFT = "draft"
    VALIDATED = "validated"  # an evaluation passed the gate
    SERVED = "served"  # at least one endpoint wants it
    RETIRED = "retired"


class GateRule(StrEnum):
    """How a gate compares a model's figure with its baseline's."""

    AT_MOST = "at_most"  # figure <= baseline * limit_permille / 1000
    AT_LEAST = "at_least"  # figure >= baseline * limit_permille / 1000


@dataclass(frozen=True, slots=True)
class Gate:
    """The operator's rule that a model must pass before it may be served.

    Attributes:
        metric: name of the figure in the evaluation record, such as ``bits_per_byte``.
        baseline: name of the figure it is compared with, such as ``gzip_bits_per_byte``.
        limit_permille: the factor on the baseline; 900 means at least 10 % fewer.
    """

    metric: str
    baseline: str
    rule: GateRule
    limit_permille: int


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One evaluation of a model, kept as the job wrote it.

    Attributes:
        figures_micro: figure name to value times 1,000,000.
        passed: whether the gate in force at that time was passed.
        record: the evaluation job's own document.
    """

    id: str
    model: str
    job: str
    at_ms: int
    figures_micro: dict[str, int]
    gate: Gate | None
    passed: bool
    record: dict[str, object]


@dataclass(frozen=True, slots=True)
class Model:
    """An artifact that can be served, with its lineage.

    Attributes:
        id: unique on the platform; the name clients call.
        parents: artifact ids it was made from (corpus, base model).
        job: the job that made it.
    """

    id: str
    project: str
    artifact: str
    stage: Stage
    created_at_ms: int
    job: str | None = None
    parents: tuple[str, ...] = ()
    evaluations: tuple[Evaluation, ...] = field(default=())
