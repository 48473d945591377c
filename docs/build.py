"""Builds the wheel and the sdist: the build backend (PEP 517) that pyproject.toml names. It reads setup.cfg.

It needs nothing but Python, so that `pip install .` needs no network for the build, and it writes the same bytes for
the same files. Any Python 3 can read the metadata: pip then says that a Python is too old.
"""

import base64
import configparser
import gzip
import hashlib
import io
import os
import re
import tarfile
import zipfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PACKAGE_FILES = (".py", ".typed", ".js", ".css", ".html", ".svg")
SAMPLES = ("config.json", "example_task_script.py", "example_task_script.sh")  # the clone may be a home, with more
ROOT_FILES = ("CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "README.md", "SECURITY.md", "pyproject.toml", "setup.cfg")
DOCUMENT_FILES = (".md", ".txt", ".png", ".py", ".1")
MANUAL = "docs/minisched.1"
MODE, EXECUTABLE = 0o100644, 0o100755
EPOCH_S = 315532800  # 1980-01-01, the first time that a zip file can hold


def get_requires_for_build_wheel(config_settings=None):
    return []


get_requires_for_build_sdist = get_requires_for_build_editable = get_requires_for_build_wheel


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    setup = read_setup()
    folder = dist_info(setup)
    os.mkdir(os.path.join(metadata_directory, folder))
    for name, content in metadata_files(setup):
        path = os.path.join(metadata_directory, name)
        if not os.path.isdir(os.path.dirname(path)):
            os.mkdir(os.path.dirname(path))
        with open(path, "wb") as file:
            file.write(content)
    return folder


prepare_metadata_for_build_editable = prepare_metadata_for_build_wheel


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    """The package, with the samples and the documents in it, and the manual page."""
    files = [(path, path) for path in walk("minisched", PACKAGE_FILES)]
    files += [("minisched/sample/" + name, "tasks/" + name) for name in SAMPLES]
    documents = [*walk("docs", (".md", ".txt")), "README.md", "CHANGELOG.md"]
    files += [("minisched/docs/" + re.sub("^docs/", "", path), path) for path in documents]
    files.append((f"{name_and_version(read_setup())}.data/data/share/man/man1/minisched.1", MANUAL))
    return write_wheel(wheel_directory, [(name, read(path), mode_of(path)) for name, path in files])


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    return write_wheel(wheel_directory, [("minisched.pth", (ROOT + "\n").encode(), MODE)])


def build_sdist(sdist_directory, config_settings=None):
    """All that is needed to change, test and package minisched."""
    setup = read_setup()
    folder = name_and_version(setup)
    paths = [path for path in ROOT_FILES if os.path.exists(os.path.join(ROOT, path))]
    paths += walk("minisched", PACKAGE_FILES) + ["tasks/" + name for name in SAMPLES]
    paths += walk("docs", DOCUMENT_FILES) + walk("docs/services", "")
    paths += walk("tests", "")  # with all their data
    contents = [(path, read(path), mode_of(path)) for path in paths] + [("PKG-INFO", metadata(setup), MODE)]
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path, content, mode in sorted(contents):
            member = tarfile.TarInfo(folder + "/" + path)
            member.size, member.mode, member.mtime = len(content), mode & 0o777, EPOCH_S
            tar.addfile(member, io.BytesIO(content))
    path = os.path.join(sdist_directory, folder + ".tar.gz")
    with open(path, "wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=EPOCH_S) as packed:
        packed.write(archive.getvalue())
    return folder + ".tar.gz"


# ------------------------------------------------------------------------------------------------------------ metadata


def read_setup():
    setup = configparser.ConfigParser()
    setup.read(os.path.join(ROOT, "setup.cfg"), encoding="utf-8")
    found = re.search('^__version__ = "(.+)"$', read("minisched/__init__.py").decode(), re.MULTILINE)
    setup["metadata"]["version"] = found.group(1)
    return setup


def lines(section, name):
    return [line for line in section.get(name, "").split("\n") if line]


def name_and_version(setup):
    return "{name}-{version}".format(**setup["metadata"])


def dist_info(setup):
    return name_and_version(setup) + ".dist-info"


def metadata_files(setup):
    """The files of the metadata without RECORD: (name, content)."""
    folder = dist_info(setup)
    points = setup["options.entry_points"]
    entry_points = "".join("\n".join([f"[{name}]", *lines(points, name), ""]) for name in points)
    wheel = "Wheel-Version: 1.0\nGenerator: minisched docs/build.py\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    return [
        (folder + "/METADATA", metadata(setup)),
        (folder + "/WHEEL", wheel.encode()),
        (folder + "/entry_points.txt", entry_points.encode()),
        (folder + "/licenses/LICENSE", read("LICENSE")),
    ]


def metadata(setup):
    """METADATA and PKG-INFO (https://packaging.python.org/specifications/core-metadata)."""
    about, options = setup["metadata"], setup["options"]
    fields = [
        ("Metadata-Version", "2.1"),
        ("Name", about["name"]),
        ("Version", about["version"]),
        ("Summary", about["description"]),
        ("Author", about["author"]),
        ("Keywords", ",".join(lines(about, "keywords"))),
        ("License", about["license"]),
        ("License-File", about["license_files"]),
        *(("Classifier", line) for line in lines(about, "classifiers")),
        ("Requires-Python", options["python_requires"]),
        *(("Requires-Dist", requirement) for requirement in lines(options, "install_requires")),
    ]
    for extra in setup["options.extras_require"]:
        fields.append(("Provides-Extra", extra))
        for requirement in lines(setup["options.extras_require"], extra):
            needed, _, marker = requirement.partition("; ")
            condition = f'({marker}) and extra == "{extra}"' if marker else f'extra == "{extra}"'
            fields.append(("Requires-Dist", f"{needed}; {condition}"))
    fields.append(("Description-Content-Type", about["long_description_content_type"]))
    head = "".join(f"{name}: {value}\n" for name, value in fields)
    return (head + "\n" + long_description(read("README.md").decode())).encode()


def long_description(readme):
    """README.md where its files are not beside it: without pictures, and with the command that shows a document."""
    readme = re.sub(r"^!\[.*\]\(.*\)\n\n", "", readme, flags=re.MULTILINE)
    readme = re.sub(r"\[([^\]]+)\]\((?:docs/)?([\w.]+)\.md\)", r"\1 (`minisched help \2`)", readme)
    return re.sub(r"\[([^\]]+)\]\((?!https?:)[^)]*\)", r"\1", readme)


# --------------------------------------------------------------------------------------------------------------- files


def read(path):
    with open(os.path.join(ROOT, path), "rb") as file:
        return file.read()


def mode_of(path):
    return EXECUTABLE if os.access(os.path.join(ROOT, path), os.X_OK) else MODE


def walk(folder, suffixes):
    """The files below a folder with one of these suffixes, relative to the root, sorted."""
    found = []
    for place, folders, names in os.walk(os.path.join(ROOT, folder)):
        folders[:] = [name for name in folders if name != "__pycache__" and name[0] != "."]
        found += [os.path.relpath(os.path.join(place, name), ROOT) for name in names if name.endswith(suffixes)]
    return sorted(found)


def write_wheel(wheel_directory, contents):
    """contents: (name, bytes, mode)."""
    setup = read_setup()
    contents = sorted(contents) + [(name, content, MODE) for name, content in metadata_files(setup)]
    record = dist_info(setup) + "/RECORD"
    rows = "".join(f"{name},sha256={digest(content)},{len(content)}\n" for name, content, _ in contents)
    file_name = name_and_version(setup) + "-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(wheel_directory, file_name), "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, content, mode in [*contents, (record, (rows + record + ",,\n").encode(), MODE)]:
            member = zipfile.ZipInfo(name)  # of 1980-01-01
            member.external_attr, member.compress_type = mode << 16, zipfile.ZIP_DEFLATED
            wheel.writestr(member, content)
    return file_name


def digest(content):
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
