"""`python -m minisched`; also `python minisched`, with the path of this folder, from anywhere."""

# `python -m` puts the current folder first on the path. It is the home by default, where users keep scripts with names
# such as queue.py: these must not be imported instead of the standard library. So the folder goes to the end of the
# path, or away if the package is not in it. Both modules are loaded before this line, and nothing else may be imported
# above it, not even `__future__`. Python 2.7 has to be able to read this file: see `minisched/__init__.py`.
import os
import sys

if __name__ == "__main__":
    package = os.path.dirname(os.path.abspath(__file__))
    if not __package__:  # started by the path of the folder or of this file: the first entry is the folder
        sys.path[:] = [path for path in sys.path if os.path.abspath(path) != package] + [os.path.dirname(package)]
    elif not (sys.flags.isolated or getattr(sys.flags, "safe_path", False)):  # with -I or -P it is not on the path
        current = sys.path.pop(0)
        if os.path.abspath(current) == os.path.dirname(package):
            sys.path.append(current)

    try:
        from minisched.cli.main import main
    except KeyboardInterrupt:
        sys.exit(130)  # as main does from here on, without a traceback
    sys.exit(main())
