"""The config: one table of fields; bytes to a `Config` with every problem at once; schema, atomic save."""

from .exports import json_schema
from .file import (
    ConfigChanged,
    ConfigError,
    check_permissions,
    config_hash,
    load_config,
    read_config,
    save_config,
    sweep_temporaries,
)
from .strict_json import parse_json
from .validate import check_document, check_task, parse_config, parse_document

__all__ = [
    "ConfigChanged",
    "ConfigError",
    "check_document",
    "check_permissions",
    "check_task",
    "config_hash",
    "json_schema",
    "load_config",
    "parse_config",
    "parse_document",
    "parse_json",
    "read_config",
    "save_config",
    "sweep_temporaries",
]
