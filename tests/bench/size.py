"""How large the package is, and what in it is harder to read than it has to be. Run: python tests/bench/size.py [DIR]

Code lines are lines that hold code: no blank lines, comments or docstrings. DIR is a checkout, by default this one.
"""

from __future__ import annotations

import ast
import io
import statistics
import sys
import tokenize
from collections import defaultdict
from pathlib import Path

LONG_FUNCTION = 40  # code lines
SMALL_MODULE = 60
_NO_CODE = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


class Module:
    def __init__(self, path: Path) -> None:
        text = path.read_text(encoding="utf-8")
        nodes = list(ast.walk(ast.parse(text)))
        tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
        lines = text.splitlines()
        used = [range(token.start[0], token.end[0] + 1) for token in tokens if token.type not in _NO_CODE]
        docs = {line for node in nodes for line in _docstring(node)}
        code = {line for span in used for line in span if lines[line - 1].strip()} - docs
        self.code = len(code)
        self.comments = sum(
            token.type == tokenize.COMMENT and lines[token.start[0] - 1].lstrip().startswith("#") for token in tokens
        )
        self.imports = len(code & _lines(nodes, ast.Import, ast.ImportFrom))
        functions = [node for node in nodes if isinstance(node, _DEFINITIONS)]
        self.functions = {
            f"{node.name}:{node.lineno}": len(code & set(range(node.lineno, (node.end_lineno or 0) + 1)))
            for node in functions
        }
        self.foreign = {place for node in functions for place in _foreign(node)}


def _lines(nodes: list[ast.AST], *kinds: type) -> set[int]:
    found = [node for node in nodes if isinstance(node, kinds)]
    return {line for node in found for line in range(node.lineno, node.end_lineno + 1)}  # type: ignore[attr-defined]


def _docstring(node: ast.AST) -> range:
    if isinstance(node, (ast.Module, ast.ClassDef, *_DEFINITIONS)) and ast.get_docstring(node, clean=False) is not None:
        return range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1)
    return range(0)


def _foreign(function: ast.AST) -> list[tuple[int, str]]:
    """Where a function assigns an attribute of an object that is neither `self` nor made in it by its class."""
    own, targets = {"self", "cls"}, []
    for node in ast.walk(function):
        if isinstance(node, (ast.Assign, ast.AugAssign, ast.AnnAssign)):
            targets += node.targets if isinstance(node, ast.Assign) else [node.target]
            if isinstance(node.value, ast.Call) and ast.unparse(node.value.func).rsplit(".", 1)[-1][:1].isupper():
                own |= {target.id for target in targets if isinstance(target, ast.Name)}
    attributes = [target for target in targets if isinstance(target, ast.Attribute)]
    return [
        (one.lineno, ast.unparse(one))
        for one in attributes
        if not (isinstance(one.value, ast.Name) and one.value.id in own)
    ]


def main() -> None:
    root = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[2]).resolve() / "minisched"
    modules = {str(path.relative_to(root)): Module(path) for path in sorted(root.rglob("*.py"))}
    folders: dict[str, int] = defaultdict(int)
    for name, module in modules.items():
        folders[name.split("/")[0] if "/" in name else "(top)"] += module.code
    sizes = sorted(((module.code, name) for name, module in modules.items() if module.code), reverse=True)
    code = sum(folders.values())
    functions = sorted(((n, f"{name}:{f}") for name, one in modules.items() for f, n in one.functions.items()))[::-1]
    foreign = [f"{name}:{line} {text}" for name, one in modules.items() for line, text in sorted(one.foreign)]
    scripts = [path.stat().st_size for path in root.rglob("*.js")]
    print(f"code lines: {code:,}; " + ", ".join(f"{name} {size:,}" for name, size in sorted(folders.items())))
    median, small = statistics.median(size for size, _ in sizes), sum(size < SMALL_MODULE for size, _ in sizes)
    print(f"modules: {len(sizes)} with code, median {median:g} lines, {small} under {SMALL_MODULE} lines;", end=" ")
    print(f"largest: {', '.join(f'{name} {size}' for size, name in sizes[:3])}")
    print(f"import lines: {sum(module.imports for module in modules.values()) / code:.1%} of the code")
    print(f"comment lines: {sum(module.comments for module in modules.values()):,}")
    long = [f"{name} {count}" for count, name in functions if count > LONG_FUNCTION]
    print(f"functions: {len(functions):,}, over {LONG_FUNCTION} lines {len(long)}: {', '.join(long[:5])}")
    print(f"attributes of other objects assigned: {len(foreign)}", *foreign[:200], sep="\n    ")
    print(f"scripts of the page: {len(scripts)} files, {sum(scripts):,} bytes")


if __name__ == "__main__":
    main()
