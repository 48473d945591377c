"""The command line: arguments, assembly of the engine and its parts, exit codes."""
