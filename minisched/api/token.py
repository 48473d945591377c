"""The access token in `var/token`, and the one for reading only in `var/token.read`: made at the first start, read by
the engine and the command line. The proof that a server knows them."""

from __future__ import annotations

import errno
import os
import re
import shlex

# The same as hmac.compare_digest; hmac imports hashlib, and that OpenSSL: 3.7 MB for one function.
from _operator import _compare_digest as compare_digest
from binascii import b2a_base64

from minisched.catalogue import Text, TextError
from minisched.home import Home
from minisched.namedtuple import NamedTuple
from minisched.osutil import open_regular, sha256

RANDOM_BYTES = 32
MIN_CHARACTERS = 32
MAX_BYTES = 1024
BLOCK_BYTES = 64  # of SHA-256
_TOKEN = re.compile(rb"[A-Za-z0-9._~+/=-]+")  # what a Bearer header can carry (RFC 6750)


class UnsafeToken(TextError):
    """The file cannot be used as it is; the text names it and says how to fix it."""


def same_token(given: bytes, token: bytes) -> bool:
    """Compare in a time that does not depend on how much of it is right."""
    return compare_digest(given, token)


def prove(token: bytes, nonce: str, host: str) -> str:
    """HMAC-SHA256 (RFC 2104) of the nonce and the host, in hex. Only a server that knows the token can answer a random
    nonce with it; the host keeps an answer from being used under another address.

    nonce: of a fixed length, so that it cannot be divided from the host elsewhere. host: as in the `Host` of a request,
    in lower case.
    """
    key = (sha256(token) if len(token) > BLOCK_BYTES else token).ljust(BLOCK_BYTES, b"\0")
    inner = sha256(bytes(byte ^ 0x36 for byte in key) + f"{nonce}{host}".encode())
    return sha256(bytes(byte ^ 0x5C for byte in key) + inner).hex()


class Tokens(NamedTuple):
    full: bytes
    read: bytes  # opens the states of the tasks and the metrics only


def load_tokens(home: Home) -> Tokens:
    """The tokens of the home; new ones if there are none. Raises UnsafeToken, OSError. The caller holds the lock of the
    home."""
    tokens = Tokens(load_token(home.token), load_token(home.read_token))
    if same_token(*tokens):
        raise UnsafeToken(Text("engine.token.same", path=home.read_token))
    return tokens


def load_token(path: str) -> bytes:
    """Raises UnsafeToken, OSError."""
    try:
        return read_token(path)
    except FileNotFoundError:
        return make_token(path)


def make_token(path: str) -> bytes:
    """Write a new token to `path`, which does not exist. Raises OSError; then it still does not exist, as the file gets
    its name only when it is complete and on the disk."""
    token = b2a_base64(os.urandom(RANDOM_BYTES), newline=False).translate(bytes.maketrans(b"+/", b"-_")).rstrip(b"=")
    new = f"{path}.new"
    try:
        os.unlink(new)  # left by a start that was killed
    except FileNotFoundError:
        pass
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            os.fchmod(fd, 0o600)  # the umask may have removed more
            if os.write(fd, token + b"\n") <= len(token):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), new)
            os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(new, path)
    except OSError:
        os.unlink(new)
        raise
    try:
        folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError:
        pass  # after a power cut there may be another token
    return token


def read_token(path: str) -> bytes:
    """The token in the file. Raises UnsafeToken, FileNotFoundError, OSError."""
    try:
        fd, status = open_regular(path)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK):  # Linux and macOS, FreeBSD
            raise UnsafeToken(Text("engine.token.symlink", path=path)) from None
        if error.errno in (errno.EINVAL, errno.EISDIR):
            raise UnsafeToken(Text("engine.token.not_a_file", path=path)) from None
        raise
    try:
        if status.st_uid != os.geteuid():
            raise UnsafeToken(Text("engine.token.owner", path=path, uid=status.st_uid))
        if status.st_mode & 0o077:
            raise UnsafeToken(Text("engine.token.mode", path=path, quoted=shlex.quote(path)))
        token = os.read(fd, MAX_BYTES + 1).strip()
    finally:
        os.close(fd)
    if not MIN_CHARACTERS <= len(token) <= MAX_BYTES or not _TOKEN.fullmatch(token):
        raise UnsafeToken(Text("engine.token.form", path=path, min=MIN_CHARACTERS))
    return token
