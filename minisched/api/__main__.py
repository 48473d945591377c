"""`python -m minisched.api`, in the folder of the source: writes the reference in docs/api.md anew."""

from .reference import renewed

with open("docs/api.md", "r+", encoding="utf-8") as document:
    text = renewed(document.read())
    document.seek(0)
    document.write(text)
    document.truncate()
