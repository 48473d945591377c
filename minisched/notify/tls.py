"""Whom to trust: every TLS connection is checked, by the machine's authorities or by those of the config."""

from __future__ import annotations

import os
import ssl
from typing import Optional

from minisched.notify.deadline import explain


class TrustError(Exception):
    """The authorities cannot be read; the text says why."""


def tls_context(home: str, ca_file: Optional[str]) -> ssl.SSLContext:
    """Certificate and host name are verified: the plain `SSLContext`, and smtplib's own default, verify nothing
    (FAULTS, N5). `ca_file`, from the home, takes the place of the machine's. Raises TrustError."""
    try:
        return ssl.create_default_context(cafile=os.path.join(home, ca_file) if ca_file else None)
    except (OSError, ValueError) as error:  # ssl.SSLError, for what is no PEM, is an OSError
        words = "holds no certificates in PEM form" if isinstance(error, ssl.SSLError) else explain(error)
        raise TrustError(f"ca_file {ca_file}: {words}") from None
