"""The access token: `var/token`, made at the first start, read by the engine and the command line."""

from __future__ import annotations

import errno
import os
import re
import stat

# hmac.compare_digest is this one, and hmac pulls OpenSSL in by hashlib: 3.7 MB for one function.
from _operator import _compare_digest as compare_digest
from binascii import b2a_base64

RANDOM_BYTES = 32
LEAST_CHARACTERS = 32
MOST_BYTES = 1024
_TOKEN = re.compile(rb"[A-Za-z0-9._~+/=-]+")  # what a Bearer header can carry (RFC 6750)


class UnsafeToken(Exception):
    """The file cannot be used as it is; the text names it and says what to do."""


def same_token(given: bytes, token: bytes) -> bool:
    """Compare in a time that does not tell how much of it was right."""
    return compare_digest(given, token)


def load_token(path: str) -> bytes:
    """The token in the file; where there is no file, a new one. Raises UnsafeToken, OSError. The caller holds the
    home's lock."""
    try:
        return read_token(path)
    except FileNotFoundError:
        return make_token(path)


def make_token(path: str) -> bytes:
    """Write a new token to `path`, where there is none. Raises OSError; then there is still none: the file gets its
    name when it is whole and on the disk."""
    token = b2a_base64(os.urandom(RANDOM_BYTES), newline=False).translate(bytes.maketrans(b"+/", b"-_")).rstrip(b"=")
    new = f"{path}.new"
    try:
        os.unlink(new)  # of a start that was killed
    except FileNotFoundError:
        pass
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            os.fchmod(fd, 0o600)  # the umask may have taken more away
            if os.write(fd, token + b"\n") <= len(token):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), new)
            os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(new, path)
    except OSError:
        os.unlink(new)
        raise
    return token


def read_token(path: str) -> bytes:
    """The token in the file. Raises UnsafeToken, FileNotFoundError, OSError."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK):  # Linux and macOS, FreeBSD
            raise UnsafeToken(f"{path} is a symbolic link; put the file itself there, or remove it") from None
        raise
    try:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            raise UnsafeToken(f"{path} is not a regular file")
        if found.st_uid != os.geteuid():
            raise UnsafeToken(f"{path} belongs to user {found.st_uid}, not to the one minisched runs as")
        if found.st_mode & 0o077:
            raise UnsafeToken(f"{path} can be read or written by others: chmod 600 {path}, and better a new token")
        token = os.read(fd, MOST_BYTES + 1).strip()
    finally:
        os.close(fd)
    if not LEAST_CHARACTERS <= len(token) <= MOST_BYTES or not _TOKEN.fullmatch(token):
        rule = f"at least {LEAST_CHARACTERS} characters out of A-Z a-z 0-9 . _ ~ + / = -"
        raise UnsafeToken(f"{path} holds no token of {rule}; remove it, and the next start makes a new one")
    return token
