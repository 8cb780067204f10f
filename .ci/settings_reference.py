"""Write docs/reference/settings.md from the table of settings. Says nothing that the table does not say.

``make reference`` runs it; a test fails while the file is not what it would write.
"""

from collections.abc import Iterator
from pathlib import Path

from umbel.app.settings import OLD, Setting, Settings

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "settings.md"
HEAD = """# Settings

<!-- Written by `make reference` from src/umbel/app/settings; changes made here are lost. -->

Set them on `app.conf` (`app.conf.task_time_limit = 30`), as keywords of `Umbel()`, or in an object that
`app.config_from_object` reads. A value of the wrong kind is refused by name, with what is allowed; so is a name that is
two letters from a setting's. From strongest to weakest: the environment, what was assigned, the configuration object,
`app.add_defaults`, the default. There are two sets of defaults: `Umbel(defaults="umbel")`, and `"celery"` for programs
that come from Celery.

Times are in seconds, unless the unit says otherwise; a `timedelta` will do. `True` and `False` may be written as text
(`yes`, `off`, `1`). Upper-case names of Celery's past stand for today's, which are given behind them.
"""
NOTES = {
    "by design": "## Settings that are fulfilled whatever their value",
    "no use": "## Settings that Umbel has no use for",
    "later": "## Settings of Celery that are not built yet",
    "obsolete": "## Obsolete settings",
}
ABOUT = {
    "by design": "They may be set, and change nothing: what they ask for holds.",
    "no use": "They are refused, with the reason; Celery's defaults keep them and warn.",
    "later": "They are refused; Celery's defaults keep them and warn. Setting one to its default is no error.",
    "obsolete": "They are refused, with what takes their place.",
}


def page() -> str:
    """The whole page."""
    settings = list(Settings.TABLE.values())
    parts = [HEAD]
    for section in Settings.__bases__:
        title = (section.__doc__ or "").rstrip(".")
        rows = [setting for setting in settings if setting.built and setting.section == title]
        if rows:
            parts.append(f"## {title}\n\n" + "".join(_entry(setting) for setting in rows))
    for status, title in NOTES.items():
        rows = [setting for setting in settings if setting.status == status]
        parts.append(f"{title}\n\n{ABOUT[status]}\n\n{''.join(_line(setting) for setting in rows)}")
    return "\n".join(parts).rstrip() + "\n"


def _entry(setting: Setting[object]) -> str:
    return f"### {setting.name}\n\n{setting.doc}\n\n{''.join(f'- {fact}{chr(10)}' for fact in _facts(setting))}\n"


def _facts(setting: Setting[object]) -> Iterator[str]:
    umbel, celery = setting.default("umbel"), setting.default("celery")
    if umbel == celery:
        yield f"Default: `{umbel!r}`"
    else:
        yield f"Default: `{umbel!r}`; Celery's: `{celery!r}`"
    if setting.kind.unit:
        yield f"Unit: {setting.kind.unit}"
    yield f"Allowed: {setting.kind.allowed}"
    if setting.environ:
        yield f"Environment: {', '.join(f'`{name}`' for name in setting.environ)}"
    old = [f"`{name}`" for name, today in OLD.items() if today == setting.name]
    if old:
        yield f"Old name: {', '.join(old)}"


def _line(setting: Setting[object]) -> str:
    return f"- `{setting.name}`: {setting.doc}\n"


if __name__ == "__main__":
    PAGE.write_text(page())
