"""Why a run stands where it stands: the `detail` of a run and of an attempt."""

TEXTS: dict[str, tuple[str, str]] = {
    "text": ("{text}", "{text}"),  # a sentence of an older version, or of another program
}
