"""Scripts of the page with short names for their own variables: a twentieth less on the wire.

A name gets the same short one wherever it is a variable of the script, whichever functions declare it. Names of
properties, of what modules export to others, and of the browser stay.
"""

from __future__ import annotations

import re
from collections import Counter
from itertools import count, product
from string import ascii_letters

from minisched.namedtuple import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_TOKEN = re.compile(
    r"""(?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|(?P<name>[A-Za-z_$][\w$]*)|(?P<number>\d[\w.]*)"""
    r"|(?P<space>\s+|//[^\n]*)|(?P<sign>=>|\?\.(?!\d)|\.\.\.|[-+*/%&|^<>=!?]=*|[{}()\[\];,:.~`])"
)
_REGEX = re.compile(r"/(?:[^/\\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+/[a-z]*")
_TEMPLATE = re.compile(r"(?:[^`\\$]|\\.|\$(?!\{))*(?:`|\$\{)", re.DOTALL)  # to its end, or to a value in it
_WORDS = (
    "as async await break case catch class const continue default delete do else export extends false finally"
    " for from function get if import in instanceof let new null of return set static super switch this throw"
    " true try typeof undefined var void while yield"
)
_KEYWORDS = frozenset(_WORDS.split())
# The globals of a browser that the scripts use, and those whose names they have for variables of their own. A test
# finds those that are missing.
_GLOBALS = (
    "AbortController AbortSignal Array ArrayBuffer Boolean CSS CSSMediaRule DataView Date Error Infinity Intl"
    " IntersectionObserver JSON Map Math NaN Notification Number Object Promise RegExp ResizeObserver Set"
    " String SyntaxError TextDecoder TextEncoder URL URLSearchParams Uint8Array Blob Viewport"
    " cancelAnimationFrame clearInterval clearTimeout close closed confirm crypto decodeURIComponent document"
    " encodeURIComponent escape event fetch find focus getComputedStyle getSelection globalThis history"
    " innerHeight innerWidth localStorage location matchMedia moveBy moveTo name navigator open parent"
    " performance requestAnimationFrame scrollTo scrollY setInterval setTimeout status stop toolbar top when"
    " window"
)
BROWSER = frozenset(_GLOBALS.split())


class Token(NamedTuple):
    kind: str  # a group of _TOKEN; "regex"; "template": a part of one
    text: str


def tokens(script: str) -> Iterator[Token]:
    """Equal ones are one object: there are ten times as many places as different tokens. Raises ValueError for what is
    no script of the page."""
    at, last = 0, Token("", "")
    shared: dict[Token, Token] = {}
    open_braces: list[str] = []  # "{", "`" in a template, "${" in a value of one
    while at < len(script):
        if open_braces and open_braces[-1] == "`":
            found, kind = _TEMPLATE.match(script, at), "template"
        elif script[at] == "/" and script[at + 1] != "/" and _begins_value(last):
            found, kind = _REGEX.match(script, at), "regex"
        else:
            found = _TOKEN.match(script, at)
            kind = found.lastgroup or "" if found else ""
        if found is None:
            raise ValueError(script[at : at + 40])
        text = found[0]
        at = found.end()
        if kind == "template":
            if text[-1] == "`":
                open_braces.pop()
            else:
                open_braces.append("${")
        elif text == "`":
            open_braces.append("`")
            kind = "template"
        elif text == "{":
            open_braces.append("{")
        elif text == "}" and open_braces.pop() == "${":
            kind = "template"
        token = Token(kind, text)
        token = shared.setdefault(token, token)
        yield token
        if kind != "space":
            last = token


def _begins_value(last: Token) -> bool:
    """Whether a value follows this token: then a slash begins a regular expression, and is no division."""
    if last.kind == "name":
        return last.text in _KEYWORDS
    return last.kind not in ("text", "number", "template") and last.text not in (")", "]", "}")


PLAIN = "{}"


class Variable(NamedTuple):
    place: int  # of the token
    renamed: str  # how it is written if its name is another one, with `{}` for that: mostly PLAIN


def variables(found: list[Token]) -> Iterator[Variable]:
    """The tokens that are names of variables."""
    code = [token for token in found if token.kind != "space"]
    inner: list[str] = []  # the open brackets: (, [, ${; of braces "block", "class", "object" or "import"
    in_class = False
    place = -1  # in the code
    for index, (kind, text) in enumerate(found):
        if kind == "space":
            continue
        place += 1
        before = code[place - 1] if place else Token("", "")
        after = code[place + 1].text if place + 1 < len(code) else ""
        if kind == "template":
            if text.endswith("${"):
                inner.append("${")
            elif text == "}":
                inner.pop()
        elif kind == "sign" and text in "([":
            inner.append(text)
        elif kind == "sign" and text in ")]}":
            inner.pop()
        elif text == "{":
            inner.append("class" if in_class else _brace(before))
            in_class = False
        if kind != "name":
            continue
        in_class = in_class or (text == "class" and before.text != "." and after != ":")
        if text in _KEYWORDS or before.text in (".", "?."):
            continue
        around = inner[-1] if inner else ""
        first = before.text in ("{", ",")
        if around == "import":
            yield Variable(index, f"{text} as {{}}")
        elif around == "object" and first and after in (",", "}", "="):
            yield Variable(index, f"{text}:{{}}")
        elif (around == "object" and ((first and after in (":", "(")) or before.text in ("async", "get", "set"))) or (
            around == "class" and after in ("(", "=", ";")
        ):
            continue
        else:
            yield Variable(index, PLAIN)


def _brace(before: Token) -> str:
    if before.text in ("import", "export"):
        return "import"
    if before.text in (")", "=>", "else", "try", "finally", "do", ";", "{", "}", "") or (
        before.kind == "name" and before.text not in _KEYWORDS
    ):
        return "block"
    return "object"


def shorten(script: str) -> str:
    """The script with short names. Raises ValueError."""
    found = list(tokens(script))
    known = {token.text for token in found if token.kind == "name"}
    exported = set(re.findall(r"\bexport (?:async )?(?:const|let|function\*?|class) ([\w$]+)", script))
    forms = [""] * len(found)
    for place, form in variables(found):
        forms[place] = form
    uses = Counter(token.text for token, form in zip(found, forms) if form)
    names = [name for name, _ in uses.most_common() if len(name) > 2 and name not in exported | BROWSER]
    free = ("".join(letters) for size in count(1) for letters in product(ascii_letters, repeat=size))
    short = {name: next(new for new in free if new not in known | _KEYWORDS | BROWSER) for name in names}
    texts = [token.text for token in found]
    for place, form in enumerate(forms):
        if form and texts[place] in short:
            name = short[texts[place]]
            texts[place] = name if form == PLAIN else form.format(name)
    return "".join(_needed(found, texts))


def _needed(found: list[Token], texts: list[str]) -> Iterator[str]:
    """The texts, without spaces beside signs."""
    last = ""
    for place, (kind, text) in enumerate(found):
        after = found[place + 1].text if place + 1 < len(found) else ""
        words = _is_word(last[-1:]) and _is_word(after[:1])
        if kind == "space" and "\n" not in text and not words and last + after not in ("++", "--"):
            continue
        yield texts[place]
        last = text


def _is_word(character: str) -> bool:
    return character.isalnum() or character in ("_", "$")
