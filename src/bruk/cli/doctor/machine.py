"""What this machine has of packages and programs that Bruk can use."""

import shutil
from importlib.util import find_spec

from bruk.cli.doctor.check import Check, Finding


def check_package(name: str) -> Check:
    """Whether a package that jobs on this machine need is installed; it is not imported."""
    if find_spec(name) is None:
        return Check(
            name, Finding.LACKS, "not installed", "To train and serve here: pip install 'bruk[local]'"
        )
    return Check(name, Finding.OK, "installed")


def check_program(name: str, without: str, package: str) -> Check:
    """Whether an optional program is on the path."""
    found = shutil.which(name)
    if found is None:
        return Check(name, Finding.LACKS, f"not installed: {without}", f"Optional: install {package}.")
    return Check(name, Finding.OK, found)
