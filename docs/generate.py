"""Writes the generated pages of the reference: ``python docs/generate.py`` (``make docs``).

With ``--check`` it writes nothing, names the pages that are not up to date and ends with status 1.
"""

import sys
from pathlib import Path

REFERENCE = Path(__file__).parent / "reference"
NOTICE = "<!-- Made from the code by docs/generate.py; changes here are lost. -->\n\n"


def pages() -> dict[Path, str]:
    """Path to text of everything that is generated."""
    from generator import api, commands, compatibility, errors, policies, shapes, states, tables

    made = {
        "cli.md": commands.page(),
        "api.md": api.page(),
        "errors.md": errors.page(),
        "policies.md": policies.page(),
        "compatibility.md": compatibility.page(),
        "states.md": states.page(),
        "exchanges.md": shapes.wire_page(),
        "jobfile.md": shapes.job_page(),
        "recipes.md": shapes.recipe_page(),
        "data.md": tables.data_page(),
        "environment.md": tables.environment_page(),
    }
    found = {REFERENCE / name: NOTICE + text.rstrip("\n") + "\n" for name, text in made.items()}
    return found | {REFERENCE / "diagrams" / name: text for name, text in states.diagrams().items()}


def stale() -> list[Path]:
    """Pages that are missing or differ from what the code says now."""
    return [path for path, text in pages().items() if not path.exists() or path.read_text("utf-8") != text]


def main() -> int:
    differing = stale()
    if "--check" in sys.argv[1:]:
        for path in differing:
            print(f"{path} is not up to date; run: python docs/generate.py")
        return 1 if differing else 0
    made = pages()
    for path in differing:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(made[path], "utf-8")
        print(f"{path} written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
