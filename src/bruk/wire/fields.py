"""The fields of what clients send: their types, with the limits that make a value sound.

Numbers are bounded, names checked and texts free of what the kernel, a terminal or a page would read in
another way. A number is a number: neither a text nor a truth value is taken for one.
"""

import math
from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from bruk.model.egress import parse
from bruk.model.errors import InvalidInput
from bruk.model.name import DISPLAY_NAME_LENGTH_MAX, NAME_PATTERN

# How names of things are written; ``words`` says of each what it asks for.
PROJECT_ID = r"^[a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?/[a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?$"
NODE_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,199}$"
COUNTRY = r"^[A-Z]{2}$"
GRID_ZONE = r"^[A-Z0-9-]{2,20}$"
IDENTIFIER = r"^[A-Za-z0-9_./:-]{1,200}$"
ENV_NAME = r"^[A-Za-z_][A-Za-z0-9_]{0,127}$"
DIGEST = "^[0-9a-f]{64}$"

Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
ProjectId = Annotated[str, StringConstraints(pattern=PROJECT_ID)]


def printed(text: str) -> str:
    if any(
        ord(character) < 32 or 127 <= ord(character) < 160 for character in text if character not in "\t\n\r"
    ):
        raise ValueError("control characters are not text")
    return text


def one_line(text: str) -> str:
    if "\n" in text or "\t" in text:
        raise ValueError("this is one line of text, without tabs")
    return printed(text)


def label(text: str) -> str:
    if not text.isprintable():
        raise ValueError("this is a name of printable characters on one line")
    return text


def _without_nul(text: str) -> str:
    # The kernel ends arguments and variables at a NUL, so what follows it would be lost.
    if "\0" in text:
        raise ValueError("a NUL character cannot be handed to a program")
    return text


def with_program(command: list[str]) -> list[str]:
    if command and not command[0]:
        raise ValueError("it begins with the program to start, which is empty here")
    return command


def _destination(text: str) -> str:
    try:
        return str(parse(text))
    except InvalidInput as error:
        raise ValueError(error.message) from None


JSON_DEPTH_MAX = 32
# What every JSON reader keeps exactly (RFC 7493).
JSON_INTEGER_MAX = 2**53 - 1


def sound_json(value: object, depth: int = 0) -> object:
    """Return a JSON value that can be stored, sealed and sent on as it is.

    Raises:
        ValueError: it holds NaN or an infinity, an integer beyond 2**53 - 1, a lone surrogate or a
            NUL character, or is nested more than ``JSON_DEPTH_MAX`` levels deep.
    """
    if depth > JSON_DEPTH_MAX:
        raise ValueError(f"it is nested more than {JSON_DEPTH_MAX} levels deep")
    if isinstance(value, str):
        if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
            raise ValueError("a text holds a NUL character or a lone surrogate")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError("NaN and infinities are not JSON numbers")
    elif isinstance(value, int):
        if abs(value) > JSON_INTEGER_MAX:
            raise ValueError("an integer is beyond 2**53 - 1; write it as a text")
    elif isinstance(value, Mapping):
        for name, item in value.items():
            sound_json(name, depth)
            sound_json(item, depth + 1)
    elif isinstance(value, list | tuple):
        for item in value:
            sound_json(item, depth + 1)
    return value


def sound_config(config: dict[str, object]) -> dict[str, object]:
    sound_json(config)
    return config


DisplayName = Annotated[str, StringConstraints(max_length=DISPLAY_NAME_LENGTH_MAX), AfterValidator(one_line)]
Argument = Annotated[str, StringConstraints(max_length=100_000), AfterValidator(_without_nul)]
Flag = Annotated[bool, Field(strict=True)]
# What an agent calls a thing of its site, as it is shown.
LABEL_LENGTH_MAX = 200  # [characters]
Label = Annotated[str, StringConstraints(max_length=LABEL_LENGTH_MAX), AfterValidator(label)]
# It stands in addresses and on command lines, as names of hosts do.
NodeName = Annotated[str, StringConstraints(pattern=NODE_NAME)]
Country = Annotated[str, StringConstraints(pattern=COUNTRY)]
GridZone = Annotated[str, StringConstraints(pattern=GRID_ZONE)]
ShortText = Annotated[str, StringConstraints(max_length=2000), AfterValidator(printed)]
Identifier = Annotated[str, StringConstraints(pattern=IDENTIFIER)]
# In the one spelling that ``model.egress`` gives it.
Destination = Annotated[str, StringConstraints(max_length=300), AfterValidator(_destination)]
EnvName = Annotated[str, StringConstraints(pattern=ENV_NAME)]
Microeur = Annotated[int, Field(strict=True, ge=0, le=10**15)]
# A million euros for a device-hour or a million tokens; far above any, and low enough that no amount
# of one entry leaves the exact integers.
PRICE_MICROEUR_MAX = 10**12
Millis = Annotated[int, Field(strict=True, ge=0, le=10**14)]

# Requests or tokens a minute, or requests at once; a bucket of so many refills in whole numbers.
Rate = Annotated[int, Field(strict=True, ge=0, le=10**9)]
# A number of devices.
Devices = Annotated[int, Field(strict=True, ge=0, le=10**6)]


def _written(text: str) -> str:
    if text and len(text.split()) < WORDS_MIN:
        raise ValueError(f"say it in at least {WORDS_MIN} words: who accepts it, and why it may be")
    return text.strip()


# What an operator takes upon them is said in a sentence, not in a word that was typed to get on.
WORDS_MIN = 3
Written = Annotated[ShortText, AfterValidator(_written)]
