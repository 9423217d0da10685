"""References given to versions: what is normal of a version is known before anything of it is measured."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import structlog

from daemon.ledger.open_panes import no_signals
from daemon.references import Reference, References
from daemon.watched import Watched
from processors.base import Judging
from processors.slices import BothRows

log = structlog.get_logger()


class Adoption:
    """Gives each (model, version) its model's reference, once."""

    def __init__(self, references: References, monitors: Sequence[Watched]) -> None:
        self._references, self._monitors = references, monitors
        self._referred: set[int] = set()
        """(model, version)s whose reference was looked for."""

    def refer(self, context: Judging) -> list[tuple[Watched, int]]:
        """Give the versions that are new their reference; at a start also those monitors that do not have it.

        They are new then, or the file is another one. Returns who adopted which version's.
        """
        adopted: list[tuple[Watched, int]] = []
        groups = context.profile.groups
        for base in context.profile.bases():
            if base in self._referred:
                continue
            self._referred.add(base)
            model, version = groups[base].model, groups[base].version
            name = self._references.name(model)
            lacking = [watched for watched in self._monitors if name and watched.lacks(base, model, name)]
            reference = self._references.of(model, version) if lacking else None
            if reference is not None:
                log.info("reference adopted", model=model, version=version, file=name)
                adopted += [(watched, base) for watched in _adopt(reference, lacking, base, name, context)]
        return adopted

    def forget(self, base: int) -> None:
        """The version was retired."""
        self._referred.discard(base)


def _adopt(reference: Reference, lacking: Sequence[Watched], base: int, name: str, context: Judging) -> list[Watched]:
    profile, key = context.profile, context.profile.groups[base]
    profile.admit(reference.predictions, no_signals())
    profile.admit_labels(reference.outcomes)
    profile.adopt(key.model, key.version, reference.predictions)
    nothing = np.zeros(0, np.int32)
    predictions = profile.locate_predictions(reference.predictions, context.start, context.end, nothing)
    outcomes = profile.locate_outcomes(reference.outcomes, context.start, context.end)
    rows = {"predictions": predictions, "outcomes": outcomes, "both": BothRows(predictions, outcomes)}
    done: list[Watched] = []
    for watched in lacking:
        watched.adopted[base] = name
        mine = rows[watched.monitor.consumes]
        verdict = watched.ask(partial(watched.monitor.adopt, watched.state, mine, context), None)
        if verdict is None:
            continue
        watched.put(verdict.state)
        watched.sealed = verdict.sealed
        done.append(watched)
    return done
