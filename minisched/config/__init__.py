"""The config: one table of fields; bytes to a `Config` with every problem at once; schema, atomic save."""

from .file import (
    ConfigChanged,
    ConfigError,
    NotDurable,
    config_hash,
    load_config,
    read_config,
    save_config,
    sweep_temporaries,
)
from .files import CalendarFiles, check_permissions, file_stamp, home_of
from .strict_json import parse_json
from .validate import check_task, parse_config, parse_document
