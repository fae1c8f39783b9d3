"""Keys: read from the environment, and kept out of every message, trace and log."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from urllib.parse import urlsplit, urlunsplit

from routenator.engine.config import Endpoint
from routenator.engine.errors import ConfigError, Fault

_USERINFO = re.compile(r"(?<=://)[^/@\s]+@")
_BEARER = re.compile(r"(?i)\bbearer\s+[^\s\"',;]+")


def scrub(text: str, key: str | None) -> str:
    """``text`` without the key, without any bearer token, and without the user part of any URL."""
    if key:
        text = text.replace(key, "***")
    return _BEARER.sub("Bearer ***", _USERINFO.sub("***@", text))


def shown_url(url: str) -> str:
    """``url`` without user, query and fragment: what may be stored and shown."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def read_keys(endpoints: Mapping[str, Endpoint]) -> dict[str, str | None]:
    """The key of each endpoint, from the environment variable that its settings name.

    Raises:
        ConfigError: A variable is not set or cannot be sent as a header; all of them are listed, no value is repeated.
    """
    keys: dict[str, str | None] = {}
    faults = []
    for name, endpoint in endpoints.items():
        variable = endpoint.api_key_env
        key = os.environ.get(variable, "").strip() if variable else None
        keys[name] = key
        if variable and not key:
            message, fix = f"environment variable {variable} is not set", f"Set it: export {variable}=..."
        elif key and not (key.isascii() and key.isprintable()):
            message, fix = f"the key in {variable} holds characters that no header can carry", "Copy it again"
        else:
            continue
        faults.append(Fault("endpoints file", message, fix, field=f"endpoints.{name}.api_key_env"))
    if faults:
        raise ConfigError(faults)
    return keys
