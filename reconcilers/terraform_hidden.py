"""The values that may stand in no message: secrets of the environment, and of variables that are marked sensitive."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

_SECRET: Final = re.compile(r"TF_VAR_.*|TF_TOKEN_.*|TF_HTTP_(?:USERNAME|PASSWORD)|AWS_SECRET_ACCESS_KEY|AWS_.*TOKEN")
_SHORTEST: Final = 6  # characters: anything shorter is part of too many words
_BLOCK: Final = "variable|resource|data|output|locals|module|provider|terraform|check|moved|import|removed|ephemeral"
_VARIABLE: Final = re.compile(rf'^\s*variable\s+"?(\w+)"?\s*\{{(.*?)(?=^\s*(?:{_BLOCK})\b[^=\n]*\{{|\Z)', re.M | re.S)
_SENSITIVE: Final = re.compile(r"^\s*(?:sensitive|ephemeral)\s*=\s*true\b", re.M)
_VALUE: Final = re.compile(r'"((?:[^"\\]|\\.)*)"|(\d+)')


def hidden_values(environ: Mapping[str, str], folder: Path, variables_file: str | None) -> frozenset[str]:
    """Every such value, of this environment and the configuration in `folder`, that is written down somewhere."""
    found = set()
    for name, value in environ.items():
        if _SECRET.fullmatch(name):
            found |= {value, *_values(value)}
    given = [folder / variables_file] if variables_file else []
    assigned = [_text(file) for file in (*folder.glob("*.tfvars"), *folder.glob("*.tfvars.json"), *given)]
    for file in (*folder.glob("*.tf"), *folder.glob("*.tofu")):
        for variable in _VARIABLE.finditer(_text(file)):
            if _SENSITIVE.search(variable[2]):
                found.update(_values(variable[2]))
                found.update(value for text in assigned for value in _assigned(variable[1], text))
    return frozenset(value for value in found if len(value) >= _SHORTEST)


def _assigned(name: str, text: str) -> Iterator[str]:
    """The values that a file of variables gives to one of them."""
    try:
        yield from _values(json.dumps(json.loads(text).get(name), ensure_ascii=False))
    except (ValueError, AttributeError):
        for assignment in re.finditer(rf"^\s*{name}\s*=(.*?)(?=^\w+\s*=|\Z)", text, re.M | re.S):
            yield from _values(assignment[1])


def _values(text: str) -> list[str]:
    return [string or number for string, number in _VALUE.findall(text)]


def _text(file: Path) -> str:
    try:
        return file.read_text(errors="replace")
    except OSError:
        return ""
