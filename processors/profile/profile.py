"""The profile: numbers for names and bins for values, so that summaries are arrays.

It says nothing about what is normal. It changes at a pane's closing alone, and whatever it admits it admits by
(count, name), never first come; so it does not depend on the order in which rows arrived. All that it holds is
bounded by `Limits`, and what is beyond them is counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from processors.distinct import alike, distinct
from processors.durations import HOUR_US
from processors.profile.classes import Classes
from processors.profile.groups import GroupKey, Groups
from processors.profile.lending import Loan, lend
from processors.profile.limits import BINARY, REGRESSION, UNDECIDED, Limits, ModelSpec
from processors.profile.series import Series
from processors.profile.tokens import class_token, lookup, mix, runs_by, tokens_of
from processors.profile.warming import Warming
from processors.rows import (
    CORRECTION,
    Bools,
    Bytes,
    Cells,
    Explanations,
    Floats,
    Hashes,
    Ints,
    Names,
    Outcomes,
    Predictions,
    Scalars,
    Signals,
    text_hash,
)
from processors.slices import ClassScores, ExplanationRows, OutcomeRows, PredictionRows, SignalRows

SAMPLED = 4_000_000
"""Values that samples of all versions that warm up may hold together (36 MB): 1,000 rows of 200 models of 20 features.
Where more warm up at once, they are sealed from fewer rows, though not from fewer than `Warming.ROWS_SLOW`."""


class Profile:
    """All coordinates of all models."""

    def __init__(self, specs: Mapping[str, ModelSpec] | None = None, limits: Limits | None = None) -> None:
        self._specs = dict(specs or {})
        limits = limits or Limits()
        self._groups, self._classes, self._series = Groups(limits), Classes(limits), Series(limits)
        self._warming: dict[int, Warming] = {}
        self._learnt: set[int] = set()
        """Combinations of a model, a class and a layout of probabilities from which there is no more to learn."""
        self._model_base: Ints | None = None
        """See `model_base`; None after a change, as is the next."""
        self._roles: tuple[Bytes, Ints] | None = None
        """Task and positive class by group number."""
        self.revision = 0
        """Grows with every change: what is unchanged need not be saved again."""

    # What monitors ask.

    @property
    def groups(self) -> list[GroupKey]:
        """Key of each group by number."""
        return self._groups.keys

    @property
    def group_base(self) -> Ints:
        """Of each group the (model, version) that it is part of; -1 for a number that is free."""
        return self._groups.base

    @property
    def model_base(self) -> Ints:
        """Of each group the lowest live base group of its model, which stands for all versions; itself if free."""
        if self._model_base is None:
            lowest: dict[str, int] = {}
            for base in self.bases():
                lowest.setdefault(self.groups[base].model, base)
            owners = [lowest.get(key.model, number) for number, key in enumerate(self.groups)]
            self._model_base = np.array(owners, np.int32)
        return self._model_base

    @property
    def series_group(self) -> Ints:
        """(model, version) of each series by number; -1 for a number that is free. May be longer than needed."""
        return self._series.group

    @property
    def series_feature(self) -> list[str]:
        """Feature name of each series."""
        return self._series.feature

    @property
    def series_type(self) -> Bytes:
        """Type of each series: UNSEALED, NUMERIC, CATEGORICAL or IGNORED of `kernels.binning`."""
        return self._series.type

    @property
    def series_bins(self) -> Ints:
        """How many regular bins each series has."""
        return self._series.bins

    @property
    def series_turning(self) -> Bools:
        """Whether each series took turns in its first rows, as a clock does, or was constant."""
        return self._series.turning

    @property
    def series_edges(self) -> Floats:
        """Left edges of the intervals of numeric series, shape (series, 28)."""
        return self._series.edges

    @property
    def series_upper(self) -> Floats:
        """Right end of the last interval of numeric series."""
        return self._series.upper

    def task(self, group: int) -> int:
        """Task of the group's model: UNDECIDED, BINARY, MULTICLASS or REGRESSION."""
        return self._classes.models[self.groups[group].model].task

    def classes(self, group: int) -> list[str]:
        """Names of the classes of the group's model, by class number."""
        return self._classes.models[self.groups[group].model].names

    def positive(self, group: int) -> int:
        """Number of the positive class of the group's model, -1 while unknown."""
        return self._classes.models[self.groups[group].model].positive()

    def positive_of(self, base: Ints) -> Ints:
        """Number of the positive class of each row's model, -1 where there is none."""
        return self._role(base)[1]

    def bases(self) -> list[int]:
        """Numbers of all live (model, version) groups, ascending."""
        return self._groups.bases()

    def series_of(self, base: int) -> Mapping[str, int]:
        """Numbers of the series of a (model, version), by feature name."""
        return self._series.of(base)

    def number(self, model: str, version: str) -> int:
        """Group number of a (model, version), -1 if it is not known."""
        names = (np.array([text_hash(model)], np.uint64), np.array([text_hash(version)], np.uint64))
        return int(self.base_of(*names)[0])

    def namesakes(self, series: int) -> list[int]:
        """Numbers of the same feature in other versions of the model, ascending."""
        own, feature = int(self.series_group[series]), self.series_feature[series]
        return self._same(feature, self._others(own))

    @property
    def loans(self) -> Mapping[int, Loan]:
        """Series that have the bins of the same feature of another version, whose reference is theirs, too."""
        return self._series.loans.of

    def bin_name(self, series: int, place: int) -> str:
        """What a bin holds, for people: `missing`, `[1, 5)`, `CN`."""
        return self._series.bin_name(series, place)

    def identity(self, base: int) -> str:
        """The name of a version's sealed coordinates: a hash of their content."""
        return self._series.identity(base)

    @property
    def cut_off(self) -> Counter[str]:
        """What was not admitted, by kind."""
        return self._groups.cut_off + self._classes.cut_off + self._series.cut_off

    # Admission, at a closing.

    def admit(self, predictions: Predictions, signals: Signals) -> None:
        """Give numbers to the models, versions, segment values, classes and features that a pane brings."""
        for rows in (predictions, signals):
            for number in self._groups.admit_versions(rows.model, rows.version, rows.names):
                model = self.groups[number].model
                self._classes.add(model, self.spec(model))
                self._changed()
        if len(predictions):
            self._admit_columns(predictions)

    def admit_labels(self, outcomes: Outcomes) -> None:
        """Give numbers to the classes that labels bring."""
        base = self._groups.base_of(outcomes.model, outcomes.version)
        if self._learn_classes(outcomes.model, outcomes.label, np.zeros(len(base), np.uint64), base, outcomes.names):
            self._changed()

    def learn(self, rows: PredictionRows) -> list[int]:
        """Feed a measured pane to the versions that still warm up; returns those whose series it sealed.

        Where samples take too much room in all, those of most rows are taken as they are.
        """
        sealed = []
        cold = np.flatnonzero(self._series.awaited(len(self.groups))[rows.base])
        for base, part in runs_by(rows.base[cold]):
            mine = cold[part]
            warming = self._warming.setdefault(base, Warming())
            table = rows.table
            warming.add(table.features.take(mine), table.key[mine], rows.start, rows.end, table.names)
            self.revision += 1
            if warming.ready():
                sealed.append(base)
        for base in sealed:
            self._seal(base, self._warming.pop(base))
        crowded = self._crowded()
        for base in crowded:
            self._seal(base, self._warming.pop(base))
        return [*sealed, *crowded]

    def adopt(self, model: str, version: str, reference: Predictions) -> None:
        """Seal a version's series from a reference's rows instead of its own first ones."""
        number = self._number(model, version)
        self._series.admit(
            reference.features, np.full(len(reference), number, np.int32), reference.names, self._feature_types
        )
        warming = Warming()
        warming.add(reference.features, reference.key, 0, 0, reference.names)
        self._seal(number, warming)
        self._warming.pop(number, None)
        self._changed()

    def unseal(self, series: frozenset[int]) -> frozenset[int]:
        """Let features be as if never seen: their bins are chosen anew from what comes. Returns those that had any."""
        unsealed = self._series.unseal(series)
        self._changed()
        return unsealed

    def retire(self, base: int) -> tuple[frozenset[int], frozenset[int]]:
        """Free a version: returns the numbers of its groups and series, which monitors must forget."""
        model = self.groups[base].model
        groups, series = self._groups.retire(base), self._series.retire(base)
        self._warming.pop(base, None)
        if not self._groups.versions(model):
            self._classes.retire(model)
            self._learnt.clear()
        self._changed()
        return groups, series

    # Location.

    def base_of(self, model: Any, version: Any) -> Ints:
        """Number of each row's (model, version), given as hashes; -1 where it is not monitored."""
        return self._groups.base_of(model, version)

    def locate_predictions(self, table: Predictions, start: int, end: int, duplicates: Ints) -> PredictionRows:
        """A pane's predictions with every coordinate. All rows must be admitted, in canonical order."""
        base = self.base_of(table.model, table.version)
        member_row, member_group = self._groups.members(table.segments, base, table.names)
        scores = self._class_scores(table.proba, table.model, base, table.names)
        cells = self._series.locate(table.features, base, table.names)
        self._series.widen(cells, start)
        return PredictionRows(
            start,
            end,
            table,
            base,
            member_row,
            member_group,
            self._role(base)[0],
            self._class_numbers(table.prediction, table.model, base),
            table.prediction.numbers(),
            self._positive_scores(table.score, scores, base),
            scores,
            cells,
            duplicates,
        )

    def locate_outcomes(self, table: Outcomes, start: int, end: int) -> OutcomeRows:
        """A pane's outcomes with every coordinate. All rows must be admitted, in canonical order."""
        base = self.base_of(table.model, table.version)
        member_row, member_group = self._groups.members(table.segments, base, table.names)
        scores = self._class_scores(table.proba, table.model, base, table.names)
        return OutcomeRows(
            start,
            end,
            table,
            base,
            member_row,
            member_group,
            self._role(base)[0],
            table.how != CORRECTION,
            self._class_numbers(table.prediction, table.model, base),
            self._class_numbers(table.label, table.model, base),
            self._class_numbers(table.before, table.model, base),
            table.prediction.numbers(),
            table.label.numbers(),
            table.before.numbers(),
            self._positive_scores(table.score, scores, base),
            scores,
            table.ts // HOUR_US * HOUR_US,
        )

    def locate_signals(self, table: Signals, start: int, end: int) -> SignalRows:
        """A pane's signals; each name is the series `signal:<name>` of its version."""
        base = self.base_of(table.model, table.version)
        series = np.full(len(table), -1, np.int32)
        if not len(table):
            return SignalRows(start, end, table, base, series, table.value)
        for _, rows in runs_by(mix(table.name, base.astype(np.uint64))):
            group = int(base[rows[0]])
            if group >= 0:
                name = table.names.text(table.name[rows[0]])
                number = self._series.number(group, f"signal:{name}")
                series[rows] = number
                if number < 0:
                    self._series.cut_off["values of further signals"] += len(rows)
        return SignalRows(start, end, table, base, series, table.value)

    def locate_explanations(self, table: Explanations, start: int, end: int) -> ExplanationRows:
        """A pane's attributions of features that are known."""
        base = self.base_of(table.model, table.version)
        cells = self._series.locate(table.attributions, base, table.names)
        return ExplanationRows(start, end, table, base, cells.row, cells.series, cells.value)

    # Saving.

    def to_state(self) -> dict[str, Any]:
        """A tree that `packing.pack` takes."""
        return {
            "groups": self._groups.to_state(),
            "classes": self._classes.to_state(),
            "series": self._series.to_state(),
            "warming": {base: warming.to_state() for base, warming in sorted(self._warming.items())},
        }

    def load(self, state: dict[str, Any]) -> None:
        """Become the profile that `to_state` described."""
        self._groups.load(state["groups"])
        self._classes.load(state["classes"], self.spec)
        self._learnt.clear()
        self._changed()
        self._series.load(state["series"])
        self._warming = {int(base): Warming.from_state(tree) for base, tree in state["warming"].items()}

    def spec(self, model: str) -> ModelSpec:
        """What the operator said of a model; `*` stands for those not named."""
        return self._specs.get(model) or self._specs.get("*") or ModelSpec()

    # Parts.

    def _changed(self) -> None:
        self.revision += 1
        self._roles = self._model_base = None

    def _admit_columns(self, rows: Predictions) -> None:
        base = self.base_of(rows.model, rows.version)
        changed = self._learn_classes(rows.model, rows.prediction, rows.proba.layout, base, rows.names)
        changed |= self._groups.admit_segments(rows.segments, base, rows.names, self.spec)
        changed |= self._series.admit(rows.features, base, rows.names, self._feature_types)
        changed |= self._series.admit(rows.attributions, base, rows.names, self._feature_types)
        if changed:
            self._changed()

    def _learn_classes(self, model: Hashes, scalars: Scalars, layout: Hashes, base: Ints, names: Names) -> bool:
        """Let models learn from predictions (with the `layout` of their probabilities, 0 without any) or labels.

        Only models that bring a combination from which they have not learnt, for the rest would change nothing.
        """
        rows = np.flatnonzero((base >= 0) & (self._role(base)[0] != REGRESSION))
        combined = mix(mix(model[rows], tokens_of(scalars)[rows]), layout[rows])
        unique, place = distinct(combined)
        new = np.array([token not in self._learnt for token in unique.tolist()], np.bool_)
        if not new.any():
            return False
        changed = False
        for group, part in self._models(base[rows]):
            if new[place[part]].any():
                changed |= self._learn_model(group, rows[part], scalars, layout, names)
                if alike(layout[rows[part]]) and not self._classes.full(self.groups[group].model):
                    self._learnt.update(combined[part].tolist())
        return changed

    def _learn_model(self, group: int, rows: Any, scalars: Scalars, layout: Hashes, names: Names) -> bool:
        named: set[str] = set()
        for wide in distinct(layout[rows])[0].tolist():
            named.update(names.layouts[wide] if wide else ())
        return self._classes.learn(self.groups[group].model, scalars.take(rows), names, sorted(named))

    def _models(self, base: Ints) -> list[tuple[int, Any]]:
        """(one group of the model, its rows) for each model among the rows, all of which are monitored."""
        found: dict[str, list[Any]] = {}
        first: dict[str, int] = {}
        for group, rows in runs_by(base):
            first.setdefault(self.groups[group].model, group)
            found.setdefault(self.groups[group].model, []).append(rows)
        return [(first[model], np.concatenate(found[model])) for model in sorted(found)]

    def _feature_types(self, base: int) -> Mapping[str, str]:
        return self.spec(self.groups[base].model).features

    def _number(self, model: str, version: str) -> int:
        number = self.number(model, version)
        if number < 0:
            names = (np.array([text_hash(model)], np.uint64), np.array([text_hash(version)], np.uint64))
            words = Names({text_hash(model): model, text_hash(version): version})
            for admitted in self._groups.admit_versions(*names, words):
                number = admitted
                self._classes.add(model, self.spec(model))
        return number

    def _seal(self, base: int, warming: Warming) -> None:
        samples, names = warming.samples()
        types, others = self._feature_types(base), self._others(base)
        for number in self._series.unsealed(base):
            feature = self.series_feature[number]
            if feature in samples:
                self._series.seal(number, samples[feature], names, types.get(feature), warming.until)
                lend(self._series, number, samples[feature], names, self._same(feature, others), since=warming.since)

    def _others(self, base: int) -> list[int]:
        """The other versions of a version's model."""
        model = self.groups[base].model
        bases = [self.number(model, version) for version in self._groups.versions(model)]
        return [other for other in bases if other != base]

    def _same(self, feature: str, bases: Sequence[int]) -> list[int]:
        """Numbers of a feature in some versions, ascending."""
        found = [self.series_of(base).get(feature, -1) for base in bases]
        return sorted(number for number in found if number >= 0)

    def _crowded(self) -> list[int]:
        """Versions to be sealed from what there is of them, those of most rows first, so that samples have room."""
        held = sum(warming.size for warming in self._warming.values())
        found: list[int] = []
        if held <= SAMPLED:
            return found
        for base, warming in sorted(self._warming.items(), key=lambda item: (-item[1].rows, item[0])):
            if held <= SAMPLED or warming.rows < Warming.ROWS_SLOW:
                break
            held -= warming.size
            found.append(base)
        return found

    def _role(self, base: Ints) -> tuple[Bytes, Ints]:
        """Task and positive class (-1: none, or the task is not binary) of each row's model."""
        if self._roles is None:
            live = [group if base >= 0 else -1 for group, base in enumerate(self.group_base.tolist())]
            tasks = [UNDECIDED if group < 0 else self.task(group) for group in live]
            positive = [self.positive(at) if task == BINARY else -1 for at, task in enumerate(tasks)]
            self._roles = np.array([*tasks, UNDECIDED], np.uint8), np.array([*positive, -1], np.int32)
        tasks_of, positive_of = self._roles
        return tasks_of[base], positive_of[base]

    def _class_numbers(self, scalars: Scalars, model: Hashes, base: Ints) -> Ints:
        numbers = lookup(mix(model, tokens_of(scalars)), self._classes.number_of)
        return np.where(base >= 0, numbers, -1).astype(np.int32)

    def _class_scores(self, proba: Cells, model: Hashes, base: Ints, names: Names) -> ClassScores:
        """Probabilities of admitted classes, by (row, class)."""
        wide = np.flatnonzero((proba.size > 0) & (base >= 0))
        rows, classes, values = [np.zeros(0, np.int32)], [np.zeros(0, np.int32)], [np.zeros(0)]
        numbers = proba.values.numbers()
        for layout, part in runs_by(proba.layout[wide]):
            mine = wide[part]
            tokens = np.array([class_token(name) for name in names.layouts[layout]], np.uint64)
            number = lookup(mix(model[mine][:, None], tokens).ravel(), self._classes.number_of)
            cell = (proba.start[mine][:, None] + np.arange(len(tokens))).ravel()
            known = np.flatnonzero(number >= 0)
            rows.append(np.repeat(mine.astype(np.int32), len(tokens))[known])
            classes.append(number[known])
            values.append(numbers[cell[known]])
        row, label, value = np.concatenate(rows), np.concatenate(classes), np.concatenate(values)
        order = np.lexsort((label, row))
        return ClassScores(row[order], label[order], value[order])

    def _positive_scores(self, score: Floats, scores: ClassScores, base: Ints) -> Floats:
        """`score` where it is given, else the positive class's probability; NaN for other tasks than binary."""
        positive = self._role(base)[1]
        result = score.copy()
        mine = (scores.label == positive[scores.row]) & np.isnan(result[scores.row])
        result[scores.row[mine]] = scores.probability[mine]
        return result
