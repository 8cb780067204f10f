"""``umbel report``: what a bug report needs to say."""

import importlib.metadata
import platform
import re
import sqlite3
from typing import Any

import click

import umbel
from umbel import Umbel
from umbel.cli.find import application
from umbel.cli.group import Command
from umbel.cli.screen import json_option, show_json
from umbel.cli.session import session

LIBRARIES = ("msgspec", "click", "rich", "watchfiles", "uvloop")
PASSWORD = re.compile(r"(://[^/@:]*:)[^@/]+@")


@click.command("report", cls=Command)
@json_option
def command(as_json: bool) -> None:
    """Versions and platform; with -A also the settings (secrets masked), the broker and the result store."""
    facts: dict[str, Any] = {"umbel": umbel.__version__, **platform_facts()}
    if session().app_name is not None:
        facts |= app_facts(application())
    if as_json:
        show_json(facts)
        return
    for name, value in facts.items():
        if isinstance(value, dict):
            click.echo(f"{name}:" if value else f"{name:<10} none changed")
            for key, item in value.items():
                click.echo(f"  {key} = {item}")
        else:
            click.echo(f"{name:<10} {value}")


def platform_facts() -> dict[str, Any]:
    """What Umbel runs on."""
    installed = [(name, found) for name in LIBRARIES if (found := installed_version(name)) is not None]
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "platform": platform.platform(),
        "sqlite": sqlite3.sqlite_version,
        "libraries": ", ".join(f"{name} {found}" for name, found in installed),
    }


def app_facts(app: Umbel) -> dict[str, Any]:
    """What the application says, and what its broker promises."""
    features = app.broker.features
    return {
        "app": app.main,
        "broker": hide_password(app.broker.url),
        "results": hide_password(app.store.url) if app.store is not None else "none are kept",
        "promises": {
            "reach": features.reach,
            "liveness": features.liveness,
            "guarantees": " ".join(sorted(features.guarantees, key=lambda name: (len(name), name))),
            "longest hold": "any" if features.longest_hold is None else f"{features.longest_hold} s",
            "largest message": "any" if features.largest_message is None else f"{features.largest_message} bytes",
            "result and acknowledgement": together(app),
        },
        "settings": {key: hide_password(str(value)) for key, value in app.conf.table().items()},
    }


def together(app: Umbel) -> str:
    """Whether result and acknowledgement become visible together."""
    if app.store is None:
        return "no results are kept"
    return "one step" if app.broker.shares_server(app.store) else "result first, then acknowledgement"


def installed_version(name: str) -> str | None:
    """The version of a library, or None."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def hide_password(text: str) -> str:
    """A URL without its password."""
    return PASSWORD.sub(r"\1**@", text)
