"""Whom to trust: every TLS connection is checked, by the machine's authorities or by those of the config."""

from __future__ import annotations

import errno
import os
import ssl
from typing import Optional

from minisched.model.task import open_regular
from minisched.notify.deadline import explain

CA_MAX = 4 * 2**20  # bytes; all authorities of the web take 0.3 MB


class TrustError(Exception):
    """The authorities cannot be read; the text says why."""


def tls_context(home: str, ca_file: Optional[str]) -> ssl.SSLContext:
    """Certificate and host name are verified: the plain `SSLContext`, and smtplib's own default, verify nothing
    (FAULTS, N5). `ca_file`, from the home, takes the place of the machine's. Raises TrustError."""
    try:
        return ssl.create_default_context(cadata=_read(os.path.join(home, ca_file)) if ca_file else None)
    except (OSError, ValueError) as error:  # ssl.SSLError, for what is no PEM, is an OSError
        words = "holds no certificates in PEM form" if isinstance(error, ssl.SSLError) else explain(error)
        raise TrustError(f"ca_file {ca_file}: {words}") from None


def _read(path: str) -> str:
    """The file as ASCII: a certificate is, and what stands between them in another script is no part of it. ssl would
    read it by itself, and wait at a pipe for ever."""
    with open(open_regular(path), "rb") as file:
        data = file.read(CA_MAX + 1)
    if len(data) > CA_MAX:
        raise OSError(errno.EFBIG, f"has more than {CA_MAX} bytes")
    if b"-----BEGIN " not in data:  # by nothing at all the machine's authorities would be trusted
        raise ssl.SSLError("no PEM")
    return data.decode("ascii", "replace").replace("\ufffd", "?")
