"""What can be said about a model: all of it optional, for what isn't said is learnt from its events."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from config.section import ClassName, Count, Like, Names, Number, Positive, Routing, Section
from config.units import Duration

Severity = Literal["info", "warning", "critical"]


class Implicit(Section):
    """Silence as a label: no label within `after` means `value`."""

    after: Positive
    """How long to wait for a label before assuming one."""
    value: ClassName
    """The class (or number) to assume."""


class ModelLabels(Section):
    """How labels come, for one model."""

    wait: Positive | None = None
    """How long a prediction waits for its label; `labels.wait` if not given."""
    implicit: Implicit | None = None
    """`{after: 7d, value: 0}` turns silence into a label; `labels.implicit` if not given."""


def _by_version(value: Any) -> Any:
    return {"*": value} if isinstance(value, str) else value


Digest = Annotated[str, Like(r"[0-9a-f]{64}", "is not a SHA-256. Copy the 64 digits that sha256sum prints.")]
ByVersion = Annotated[dict[str, Digest], BeforeValidator(_by_version, json_schema_input_type=str | dict[str, Digest])]


class ModelExplain(Section):
    """The model's own file, for explaining what it does."""

    enabled: bool | None = None
    """Whether to explain this model; `explain.enabled` if not given."""
    sample: Count | None = None
    """Rows to explain per pane and version; `explain.sample` if not given."""
    model_file: str | None = None
    """The trained model; `{version}` in the path stands for the version, `{model}` for the model's name."""
    format: Literal["auto", "skops", "joblib", "xgboost", "lightgbm", "onnx"] = "auto"
    """How the file is written; `auto` goes by its ending."""
    sha256: ByVersion = Field(default_factory=dict)
    """The file's SHA-256, or one per version: `{"3": ...}`. Required with `trust`."""
    trust: bool = False
    """Loading joblib files runs code from them; say that you trust it."""
    features: Names = ()
    """Names of the features in the order in which the model takes them; the file's own if not given."""
    categories: dict[str, Names] = Field(default_factory=dict)
    """Texts of categorical features in the order in which the model numbers them, if its file doesn't say it."""
    trusted: Names = ()
    """Further types that a skops file may hold; look at them before you name them."""
    background_file: Path | None = None
    """NDJSON events to compare against; rows from the stream if not given."""
    output: Literal["auto", "raw", "probability"] = "auto"
    """What to explain: the margin (`raw`) or the probability."""


class Threshold(Section):
    """A hand-set limit on a reading, beside the alerts that Vigil finds by itself."""

    series: str = Field(min_length=1)
    """The reading's series, such as `accuracy`."""
    below: Number | None = None
    """Alert while the reading is less than this."""
    above: Number | None = None
    """Alert while the reading is more than this."""
    min_n: Count = 100
    """A window with fewer events changes nothing."""
    severity: Severity = "warning"
    """Severity of the alert."""


class ModelConfig(Section):
    """What holds for one model, or for every model."""

    task: Literal["binary", "multiclass", "regression"] | None = None
    """What the model predicts; learnt if not given."""
    classes: tuple[ClassName, ...] = ()
    """Its classes; learnt if not given."""
    positive_class: ClassName | None = None
    """The class that precision, recall and scores are about."""
    features: dict[str, Literal["numeric", "categorical", "ignore"]] = Field(default_factory=dict)
    """Types of features; those not named are learnt."""
    segments: Names = ()
    """Keys of an event's `segment`, or features, by whose values to measure apart."""
    lateness: Duration | None = None
    """How late its events may be; `time.lateness` if not given."""
    labels: ModelLabels = ModelLabels()
    """How labels come."""
    reference: Path | None = None
    """NDJSON events, as served, that show what is normal; the first panes if not given."""
    retire_after: Positive | None = None
    """Retire a version after this long without a prediction, but not before its last cohort is final."""
    owner: str | None = None
    """Who answers for the model; shown in its alerts."""
    routing: Routing = Field(default_factory=dict)
    """Labels put on its alerts, for routing: `{team: risk}`."""
    explain: ModelExplain = ModelExplain()
    """How to explain it."""
    thresholds: tuple[Threshold, ...] = ()
    """Hand-set limits on readings."""
    monitors: dict[str, Any] = Field(default_factory=dict)
    """Settings of monitors for this model only, over those of the section `monitors`; `false` switches one off."""
