"""The engine: owns all mutable state and the loop; asks the core, tells the adapters."""

from minisched.engine.calendar import dependents_of
from minisched.engine.launch import base_environment, make_launch
from minisched.engine.scheduler import POLL_S, SchedulerEngine
from minisched.engine.surroundings import ConfigSource, System
from minisched.engine.teller import Teller

__all__ = [
    "POLL_S",
    "ConfigSource",
    "SchedulerEngine",
    "System",
    "Teller",
    "base_environment",
    "dependents_of",
    "make_launch",
]
