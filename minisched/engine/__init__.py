"""The engine: owns all mutable state and the loop. Begin with `scheduler`, which explains how it works."""

from minisched.engine.launch import make_spec
from minisched.engine.scheduler import POLL_S, SchedulerEngine
from minisched.engine.state import Outside
