"""Vigil's configuration: what can be set (`schema`), and how a file of it is read, checked, shown and documented."""

from config.models import ModelConfig
from config.schema import Config
from config.units import Duration, Rate, Size

__all__ = ["Config", "Duration", "ModelConfig", "Rate", "Size"]
