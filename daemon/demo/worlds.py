"""The four small worlds in which the simulated models work: what comes in, and what turns out to be true.

Each world draws features (rounded as a service would send them) and says what is true of them: for a classifier the
probability of class 1, for a regression the expected value. `changed` is the world after its incident began, and
`broken` is what a fault upstream makes of the features before the model sees them; the truth is never touched by it.
Everything depends on the generator that is handed in and on nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from processors.rows import Floats

Columns = Mapping[str, npt.NDArray[Any]]
"""Features by name, arrays of equal length: float64, or texts. Models take the numbers; texts travel along."""

Generator = np.random.Generator


@dataclass(frozen=True, slots=True)
class World:
    """What a model is about. `hours_to_label` is the least and the mean further delay until its labels come."""

    model: str
    version: str
    task: Literal["binary", "regression"]
    owner: str
    about: str
    hours_to_label: tuple[float, float]
    draw: Callable[[Generator, int], Columns]
    truth: Callable[[Columns, bool], Floats]
    """Features and whether the world has changed → probability of class 1, or expected value."""
    noise: float = 0.0
    """Standard deviation of what a regression cannot know, as a share of the value."""
    categorical: tuple[str, ...] = ()
    """Features whose numbers are names: the configuration has to say so, for nobody can see it."""
    broken: Callable[[Columns], Columns] = dict

    def labels(self, rng: Generator, columns: Columns, changed: npt.NDArray[np.bool_]) -> Floats:
        """What turns out to be true of each row, float64."""
        expected = np.where(changed, self.truth(columns, True), self.truth(columns, False))
        if self.task == "regression":
            return np.round(expected * np.exp(rng.normal(0, self.noise, len(expected))), 2)
        return (rng.random(len(expected)) < expected).astype(np.float64)


def _sigmoid(z: Floats) -> Floats:
    return 1 / (1 + np.exp(-z))


def _choice(rng: Generator, count: int, shares: Mapping[str, float]) -> npt.NDArray[Any]:
    return rng.choice(np.array(list(shares)), count, p=list(shares.values()))


def _churn_features(rng: Generator, count: int) -> Columns:
    return {
        "tenure_months": np.floor(rng.gamma(2.0, 12.0, count)),
        "monthly_charge": np.round(rng.normal(55, 18, count).clip(10, 140), 2),
        "support_calls": rng.poisson(1.2, count).astype(np.float64),
        "usage_gb": np.round(rng.lognormal(3.0, 0.7, count), 1),
        "contract_months": rng.choice(np.array([1.0, 12.0]), count, p=[0.6, 0.4]),
        "plan": _choice(rng, count, {"basic": 0.5, "plus": 0.35, "pro": 0.15}),
    }


def _churn_truth(c: Columns, _changed: bool) -> Floats:
    liking = c["contract_months"] / 10 + c["tenure_months"] / 20
    trouble = c["support_calls"] * 0.8 + (c["monthly_charge"] - 55) / 20
    return _sigmoid(2.2 * (trouble - liking + 0.1))


def _fraud_features(rng: Generator, count: int) -> Columns:
    return {
        "amount": np.round(rng.lognormal(3.6, 1.0, count), 2),
        "device_age_days": np.floor(rng.exponential(200, count)),
        "km_from_home": np.round(rng.lognormal(1.5, 1.4, count), 1),
        "tries_last_hour": rng.poisson(0.7, count).astype(np.float64),
        "merchant_code": rng.choice(np.array([5411.0, 5732.0, 5812.0, 5944.0, 7995.0]), count,
                                    p=[0.4, 0.2, 0.2, 0.1, 0.1]),
    }  # fmt: skip


def _fraud_truth(c: Columns, changed: bool) -> Floats:
    """Fraud is dear, far away and from new devices; later it is cheap, at home and from devices taken over."""
    amount, far = np.log(c["amount"]) - 3.6, (np.log1p(c["km_from_home"]) - 1.7) / 1.1
    fresh = 1 - c["device_age_days"] / 100
    common = 0.9 * c["tries_last_hour"] + 1.2 * np.isin(c["merchant_code"], (5944.0, 7995.0))
    if changed:
        return _sigmoid(3.0 * (common - 0.6 * amount + 0.4 * far + 0.1 * fresh - 2.6))
    return _sigmoid(3.0 * (common + 1.3 * amount + 0.9 * far + 0.8 * fresh - 2.6))


def _pricing_features(rng: Generator, count: int) -> Columns:
    vehicle = _choice(rng, count, {"bike": 0.35, "van": 0.5, "truck": 0.15})
    return {
        "distance_km": np.round(rng.gamma(2.5, 6.0, count) + 0.5, 2),
        "weight_kg": np.round(rng.lognormal(1.2, 0.8, count), 2),
        "demand": np.round(rng.normal(1.0, 0.15, count).clip(0.5, 1.8), 3),
        "express": (rng.random(count) < 0.25).astype(np.float64),
        "capacity_kg": np.select([vehicle == "bike", vehicle == "van"], [25.0, 800.0], 8000.0),
        "vehicle": vehicle,
    }


def _pricing_truth(c: Columns, _changed: bool) -> Floats:
    per_km = np.select([c["vehicle"] == "bike", c["vehicle"] == "van"], [0.6, 0.9], 1.6)
    return np.asarray((4 + per_km * c["distance_km"] + 0.35 * c["weight_kg"]) * c["demand"] * (1 + 0.5 * c["express"]))


def _metres_for_kilometres(columns: Columns) -> Columns:
    return {**columns, "distance_km": columns["distance_km"] * 1000}


def _credit_features(rng: Generator, count: int) -> Columns:
    return {
        "income": np.round(rng.lognormal(10.4, 0.45, count), -2),
        "debt_ratio": np.round(rng.beta(2.2, 4.0, count), 3),
        "utilisation": np.round(rng.beta(1.8, 2.8, count), 3),
        "late_payments": rng.poisson(0.6, count).astype(np.float64),
        "years_of_history": np.round(rng.gamma(2.5, 3.0, count), 1),
    }


def _credit_truth(c: Columns, changed: bool) -> Floats:
    """Who was late before defaults; later, when interest rose, so does whoever owes much, late before or not."""
    income = (np.log(c["income"]) - 10.4) / 0.45
    habits = 1.1 * c["late_payments"] + 2.5 * (c["utilisation"] - 0.4) - c["years_of_history"] / 10
    debt = 5.0 * (c["debt_ratio"] - 0.35)
    if changed:
        return _sigmoid(3.0 * (habits + 2.4 * debt - 0.4 * income - 0.7))
    return _sigmoid(3.0 * (habits + 0.4 * debt - 0.4 * income - 0.9))


WORLDS: tuple[World, ...] = (
    World(
        "churn", "5", "binary", "growth", "will a customer leave?", (0.05, 0.3), _churn_features, _churn_truth,
    ),
    World(
        "fraud", "3", "binary", "risk", "is a payment fraudulent?", (0.05, 0.4), _fraud_features, _fraud_truth,
        categorical=("merchant_code",),
    ),
    World(
        "pricing", "12", "regression", "logistics", "what will a delivery cost?", (0.1, 0.4), _pricing_features,
        _pricing_truth, noise=0.06, broken=_metres_for_kilometres,
    ),
    World(
        "credit", "2", "binary", "lending", "will a loan default?", (3.0, 1.5), _credit_features, _credit_truth,
    ),
)  # fmt: skip
