"""`python -m minisched.config`, in the folder of the source: writes the field reference in the docs anew."""

from .reference import renewed

with open("docs/configuration.md", "r+", encoding="utf-8") as document:
    text = renewed(document.read())
    document.seek(0)
    document.write(text)
    document.truncate()
