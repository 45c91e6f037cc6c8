"""`trueup completion`: what a shell needs to complete the words of the command line."""

import argparse
import sys
from collections.abc import Iterator
from typing import Any, Final

import shtab

from daemon import verb
from daemon.verb import Verb

# Names are read from the files of this folder, in a few milliseconds; asking trueup itself takes half a second.
_BASH: Final = r"""
_trueup_environments() {
  sed -n 's/^environment:[[:space:]]*["'\'']\{0,1\}\([A-Za-z0-9._-]*\).*/\1/p' ./*.yaml ./*.yml 2>/dev/null
  { compgen -f -X '!*.y*ml' -- "$1"; compgen -d -S / -- "$1"; } | grep -v '\(^\|/\)\.[^/]*/\{0,1\}$'
}
_trueup_entries() {
  awk -v section="$1:" '/^[A-Za-z]/ { inside = ($1 == section) }
    inside && /^  [A-Za-z0-9]/ { sub(/:.*/, ""); sub(/^ */, ""); print }' ./*.yaml ./*.yml 2>/dev/null
}
_trueup_environment() { compgen -W "$(_trueup_environments "$1")" -- "$1"; }
_trueup_service() { compgen -W "$(_trueup_entries services)" -- "$1"; }
_trueup_database() { compgen -W "$(_trueup_entries databases)" -- "$1"; }
"""
_ZSH: Final = r"""
_trueup_environment() {
  local -a names
  names=(${(f)"$(sed -n 's/^environment:[[:space:]]*["'\'']\{0,1\}\([A-Za-z0-9._-]*\).*/\1/p' \
    ./*.y(a|)ml(N) /dev/null)"})
  _alternative 'environments:environment:compadd -a names' 'files:file:_files -g "*.y(a|)ml"'
}
_trueup_entries() {
  local -a names
  names=(${(f)"$(awk -v section="$1:" '/^[A-Za-z]/ { inside = ($1 == section) }
    inside && /^  [A-Za-z0-9]/ { sub(/:.*/, ""); sub(/^ */, ""); print }' ./*.y(a|)ml(N) /dev/null)"})
  compadd -a names
}
_trueup_service() { _trueup_entries services; }
_trueup_database() { _trueup_entries databases; }
"""
_PATHS: Final = ("files", "write", "cache", "state_backups")
_FUNCTIONS: Final = {"environment": "_trueup_environment", "service": "_trueup_service", "database": "_trueup_database"}


def completion(chosen: argparse.Namespace) -> int:
    """`trueup completion`."""
    from daemon.cli import parser  # it knows this verb as well

    sys.stdout.write(script(parser(), chosen.shell) + "\n")
    return 0


def script(parser: argparse.ArgumentParser, shell: str) -> str:
    """The script for bash or zsh, for all commands of a parser."""
    for action in _actions(parser):
        word: Any = action  # `complete` is where shtab looks
        if name := _FUNCTIONS.get(action.dest):
            word.complete = {"bash": name, "zsh": name}
        elif action.dest in _PATHS:
            word.complete = shtab.FILE
    return str(shtab.complete(parser, shell, preamble={"bash": _BASH, "zsh": _ZSH}[shell]))


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Every word and option of a parser and of its commands."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            action.help = ""  # shtab leaves out what --help does not list one by one
            for listed in action._choices_actions:
                made = action.choices[listed.dest]
                made.description = listed.help  # one line, which zsh shows
                yield from _actions(made)
        else:
            yield action


_ABOUT = """
Print the script with which a shell completes commands, options, files, and the names
of the environments, services and databases in the files of this folder.

  source <(trueup completion bash)                    in ~/.bashrc
  trueup completion zsh > "${fpath[1]}/_trueup"       once; zsh reads it at its start
"""


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=("bash", "zsh"), metavar="SHELL", help="bash or zsh")


VERB = Verb("completion", verb.FILES, "complete words in bash or zsh", _ABOUT, completion, arguments=_arguments)
