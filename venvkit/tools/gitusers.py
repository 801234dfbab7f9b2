"""Users and passwords in the addresses of git repositories: git gets them by its configuration, not in an argument.

uv and pip run `git fetch ADDRESS` with the address of the request, and an argument list is public in /proc. So the
address in the files of a request loses its user, and variables define a credential helper for it
(https://git-scm.com/docs/git-config#ENVIRONMENT, https://git-scm.com/docs/gitcredentials).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote, urljoin

_ADDRESS = re.compile(
    r"git\+(?P<scheme>https?://)(?:(?P<user>[^/\s\"'`]+)@)?(?P<host>[^/@\s\"'`]+)(?P<path>/[^@#\s\"'`]*)"
)
_FILES = (".txt", ".toml")
# The shell has the text from its environment: no argument of it, nor a file, holds a password.
_HELPER = '!f() {{ test "$1" = get && printf "%s\\n" "${variable}"; }}; f'


def git_users(lines: Iterable[str]) -> dict[str, str]:
    """Return the user part of each repository that has one, by its address without it.

    >>> git_users(["q @ git+https://me:pw@git.example/q.git@main"])
    {'https://git.example/q.git': 'me:pw'}
    """
    found = (match for line in lines for match in _ADDRESS.finditer(line) if match["user"])
    return {match["scheme"] + match["host"] + match["path"]: match["user"] for match in found}


def with_git_user(url: str, users: Mapping[str, str]) -> str:
    """Return the address of a checkout with the user that its repository has among `users`."""
    match = _ADDRESS.match(url)
    if match is None:
        return url
    user = users.get(match["scheme"] + match["host"] + match["path"])
    return f"git+{match['scheme']}{user}@{url[match.start('host') :]}" if user else url


def hide_git_users(arguments: Sequence[str], environ: Mapping[str, str]) -> dict[str, str]:
    """Take the users out of the files of a request, given as arguments; return the variables that give them to git."""
    users: dict[str, str] = {}
    for path in (Path(one) for one in arguments if one.endswith(_FILES)):
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        if found := git_users([text]):
            users |= found
            path.write_text(_ADDRESS.sub(r"git+\g<scheme>\g<host>\g<path>", text), encoding="utf-8")
    # The entry of a host is there for submodules; that of a repository comes later and replaces it there.
    hosts = {urljoin(place, "/"): user for place, user in users.items()}
    variables: dict[str, str] = {}
    entries: list[tuple[str, str]] = []
    for number, (place, user) in enumerate((*hosts.items(), *users.items())):
        name, _, password = user.partition(":")
        variable = f"VENVKIT_GIT_USER_{number}"
        variables[variable] = f"username={unquote(name)}\npassword={unquote(password)}"
        # An empty helper takes away those of the machine, which may know another user.
        entries += [(f"credential.{place}.helper", helper) for helper in ("", _HELPER.format(variable=variable))]
    first = int(environ.get("GIT_CONFIG_COUNT") or 0)
    for number, (key, value) in enumerate(entries, start=first):
        variables |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return {**variables, "GIT_CONFIG_COUNT": str(first + len(entries))} if entries else {}
