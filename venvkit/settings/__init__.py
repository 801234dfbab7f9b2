"""Settings: every documented variable, where its value comes from, and what is accepted.

A value comes from, weakest first: the default, the settings file (`XINFERENCE_HOME/venvkit/settings.toml`),
the environment, an argument. The warm path imports this room, so nothing in it imports more than `os` and
`sys` before a value asks for it.
"""

from venvkit.settings.keys import key_environ, key_settings, working_directory
from venvkit.settings.load import Settings, load_settings
from venvkit.settings.resolve import Setting
from venvkit.settings.variables import VARIABLES, Variable

__all__ = [
    "VARIABLES",
    "Setting",
    "Settings",
    "Variable",
    "key_environ",
    "key_settings",
    "load_settings",
    "working_directory",
]
