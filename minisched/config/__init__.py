"""The config: one table of fields; bytes to a `Config` with every problem at once; schema, atomic save."""

from .calendars import CalendarFiles, file_stamp
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
from .permissions import check_permissions, home_of
from .strict_json import parse_json
from .validate import check_task, parse_config, parse_document
