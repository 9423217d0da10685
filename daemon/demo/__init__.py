"""A simulated fleet with real trained models, to see Vigil at work without Kafka (`run`) or with it (`simulate`)."""

from daemon.demo.run import run
from daemon.demo.simulate import simulate

__all__ = ["run", "simulate"]
