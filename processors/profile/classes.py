"""Tasks and classes of the models, learnt where they are not configured.

Learning: a model whose events carry more than two probabilities is multiclass, with one or two binary. Without
probabilities, texts and booleans are classes; whole numbers from 0 to 99 are classes too; any other number makes it a
regression. A third class makes a binary model multiclass. The positive class of two is the greater one: the number 1
of {0, 1}, the later in the alphabet of two texts.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from processors.profile.limits import BINARY, MULTICLASS, REGRESSION, UNDECIDED, Limits, ModelSpec
from processors.profile.tokens import class_name, class_order, class_token, mix_one, tokens_of
from processors.rows import MISSING, NUMBER, Names, Scalars, text_hash

_MOST_NUMERIC_CLASSES = 99


@dataclass(slots=True)
class ModelClasses:
    """Task and classes of one model; classes are numbered in the order of their admission."""

    spec: ModelSpec
    task: int = UNDECIDED
    names: list[str] = field(default_factory=list)
    numbers: dict[int, int] = field(default_factory=dict)
    """Class number by token."""

    def positive(self) -> int:
        """Number of the positive class; -1 while it is not known or if there is none."""
        if self.spec.positive_class is not None:
            return self.numbers.get(class_token(self.spec.positive_class), -1)
        if self.task != BINARY or not self.names:
            return -1
        last = max(range(len(self.names)), key=lambda number: class_order(self.names[number]))
        only_zero = len(self.names) == 1 and class_order(self.names[0])[:2] == (0, 0.0)
        return -1 if only_zero else last


class Classes:
    """The class axis of every model."""

    def __init__(self, limits: Limits) -> None:
        self.models: dict[str, ModelClasses] = {}
        self.number_of: dict[int, int] = {}
        """Class number by `mix` of the hash of the model's name and the class's token."""
        self.cut_off: Counter[str] = Counter()
        self._limits = limits

    def add(self, model: str, spec: ModelSpec) -> None:
        """Begin with a model as configured. One that is known stays as it is."""
        if model in self.models:
            return
        self.models[model] = ModelClasses(spec, spec.task)
        for name in spec.classes:
            self._admit(model, name)
        if spec.classes and spec.task == UNDECIDED:
            self.models[model].task = BINARY if len(spec.classes) <= 2 else MULTICLASS

    def learn(self, model: str, scalars: Scalars, names: Names, proba_classes: list[str] | None = None) -> bool:
        """Take in predictions or labels of one pane (and the classes their `proba` names); says if anything changed."""
        classes = self.models[model]
        before = (classes.task, len(classes.names))
        if classes.spec.task == UNDECIDED and not classes.spec.classes:
            self._learn_task(model, scalars, proba_classes or [])
        if classes.task in (BINARY, MULTICLASS):
            self._learn_classes(model, scalars, names, proba_classes or [])
        return (classes.task, len(classes.names)) != before

    def full(self, model: str) -> bool:
        """Has the model all the classes that it may have? What comes then is counted as cut off, each time."""
        return len(self.models[model].names) >= self._limits.classes

    def retire(self, model: str) -> None:
        """Forget a model."""
        self._forget_classes(model)
        del self.models[model]

    def to_state(self) -> dict[str, Any]:
        """A tree that `packing.pack` takes."""
        models = [[name, classes.task, list(classes.names)] for name, classes in self.models.items()]
        return {"models": models, "cut_off": dict(self.cut_off)}

    def load(self, state: dict[str, Any], spec_of: Any) -> None:
        """Become what `to_state` described; `spec_of` gives each model's spec."""
        self.models, self.number_of = {}, {}
        for name, task, names in state["models"]:
            numbers = {class_token(text): number for number, text in enumerate(names)}
            self.models[name] = ModelClasses(spec_of(name), task, names, numbers)
            self.number_of |= {mix_one(text_hash(name), token): number for token, number in numbers.items()}
        self.cut_off = Counter(state["cut_off"])

    def _learn_task(self, model: str, scalars: Scalars, proba_classes: list[str]) -> None:
        classes = self.models[model]
        if classes.task in (MULTICLASS, REGRESSION):
            return
        if proba_classes:
            classes.task = BINARY if len(proba_classes) <= 2 else MULTICLASS
        elif classes.task == UNDECIDED:
            classes.task = _task_of(scalars)
        elif _task_of(scalars) == REGRESSION and all(class_order(name)[0] == 0 for name in classes.names):
            self._forget_classes(model)
            classes.task, classes.names, classes.numbers = REGRESSION, [], {}

    def _learn_classes(self, model: str, scalars: Scalars, names: Names, proba_classes: list[str]) -> None:
        classes = self.models[model]
        for name in sorted(proba_classes, key=class_order):
            self._admit(model, name)
        tokens, first, counts = np.unique(tokens_of(scalars), return_index=True, return_counts=True)
        new = [
            (-count, class_order(class_name(scalars, at, names)), class_name(scalars, at, names))
            for token, at, count in zip(tokens.tolist(), first.tolist(), counts.tolist(), strict=True)
            if token and token not in classes.numbers
        ]
        for _, _, name in sorted(new):
            self._admit(model, name)

    def _forget_classes(self, model: str) -> None:
        for token in self.models[model].numbers:
            del self.number_of[mix_one(text_hash(model), token)]

    def _admit(self, model: str, name: str) -> None:
        classes, token = self.models[model], class_token(name)
        if token in classes.numbers:
            return
        if len(classes.names) >= self._limits.classes:
            self.cut_off["classes"] += 1
            return
        classes.numbers[token] = self.number_of[mix_one(text_hash(model), token)] = len(classes.names)
        classes.names.append(name)
        if len(classes.names) > 2 and classes.task == BINARY and classes.spec.task == UNDECIDED:
            classes.task = MULTICLASS


def _task_of(scalars: Scalars) -> int:
    known = scalars.kind != MISSING
    numbers = scalars.numbers()[known & (scalars.kind == NUMBER)]
    whole = (numbers == np.floor(numbers)) & (numbers >= 0) & (numbers <= _MOST_NUMERIC_CLASSES)
    if not whole.all():
        return REGRESSION
    return BINARY if known.any() else UNDECIDED
