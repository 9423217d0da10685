"""The explainer that a configuration asks for."""

from __future__ import annotations

from config import Config
from daemon.explain.explainer import Explainer, ExplainSettings
from daemon.explain.models import ModelFile, ModelFiles


def explainer(config: Config, *, blocking: bool) -> Explainer | None:
    """The explainer, if any model has a file. Raises `ModelRefused`."""
    files = {name: model_file(config, name) for name in config.models}
    others = model_file(config, "*")
    if others is None and not any(files.values()):
        return None
    settings = ExplainSettings(
        sample=config.for_model("*").explain.sample or config.explain.sample,
        cpu_share=float(config.explain.cpu_share),
        queue=config.explain.queue,
        timeout_s=config.explain.timeout.seconds,
        background=config.explain.background,
        seed=config.explain.seed,
        samples={name: config.for_model(name).explain.sample or config.explain.sample for name in config.models},
    )
    return Explainer(ModelFiles(files, others), settings, blocking=blocking)


def model_file(config: Config, name: str) -> ModelFile | None:
    """The file of a model, or (`*`) of all that are not named; None if it has none or is not to be explained."""
    model = config.for_model(name)
    said = model.explain
    if said.model_file is None or said.enabled is False:
        return None
    file = ModelFile(
        path=said.model_file,
        format=said.format,
        sha256=said.sha256,
        trust=said.trust,
        features=tuple(said.features),
        categories=dict(said.categories),
        background_path=str(said.background_file) if said.background_file else None,
        output=said.output,
        trusted=tuple(said.trusted),
        positive=model.positive_class,
        classes=tuple(model.classes),
    )
    return file if name == "*" else file.named(name)
