"""Vigil's configuration: what can be set (`schema`), and how a file of it is read, checked, shown and documented."""

from config.loading import load, parse
from config.models import ModelConfig
from config.plugins import Registry
from config.problems import ConfigError, Problem
from config.schema import Config
from config.showing import config_hash, json_schema, redacted_yaml
from config.units import Duration, Rate, Size

__all__ = [
    "Config",
    "ConfigError",
    "Duration",
    "ModelConfig",
    "Problem",
    "Rate",
    "Registry",
    "Size",
    "config_hash",
    "json_schema",
    "load",
    "parse",
    "redacted_yaml",
]
