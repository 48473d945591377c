"""The config: one table of fields; bytes to a `Config` with every problem at once; schema, atomic save."""

from .file import ConfigError, check_permissions, load_config, read_config
from .notify_fields import TEMPLATE_VARIABLES
from .save import ConfigChanged, config_hash, save_config, sweep_temporaries
from .schema import json_schema
from .strict_json import parse_json
from .validate import check_document, check_task, parse_config, parse_document

__all__ = [
    "TEMPLATE_VARIABLES",
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
