"""The configuration of one app: values over the table of ``settings``. Reads sources; decides nothing about tasks.

From strongest to weakest: environment, assigned (constructor, ``app.conf.x = y``, ``update``), the configuration
object, ``add_defaults``, the default. The configuration object is loaded when a value is first read, so that what was
assigned before survives it.
"""

import os
import warnings
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any

from umbel.app import source
from umbel.app.nearest import nearest
from umbel.app.settings import OLD, Defaults, Settings, sounds_secret
from umbel.core.errors import ImproperlyConfigured, UmbelWarning
from umbel.runtime.unpatched import RLock

_OWN = frozenset({"defaults", "namespace", "version"})
_PREFIXES = tuple(sorted({name.split("_")[0] + "_" for name in Settings.TABLE if "_" in name}))


class Config(Settings, MutableMapping[str, Any]):
    """The values, by attribute and by item. Assigning checks; a wrong value or a mistyped name raises at once.

    Names that no setting has are kept, so that libraries can have settings of their own; the upper-case names of
    Celery's past stand for today's. ``version`` counts changes, for those who keep what they computed.
    """

    def __init__(
        self,
        defaults: Defaults = "umbel",
        *,
        environ: Mapping[str, str] | None = None,
        on_load: Callable[[bool], None] | None = None,
    ) -> None:
        self.defaults: Defaults = defaults
        self.namespace: str | None = None
        self.version = 0
        self._environ = os.environ if environ is None else environ
        self._assigned: dict[str, Any] = {}
        self._loaded: dict[str, Any] = {}
        self._added: list[Mapping[str, Any] | Callable[[], Mapping[str, Any]]] = []
        self._default_dicts: dict[str, dict[str, Any]] = {}  # once they were seen: people write into them
        self._beside: dict[str, dict[str, Any]] = {}
        self._pending: Callable[[], Mapping[str, Any]] | None = dict
        # Called once before, once after the first reading.
        self._on_load: Callable[[bool], None] = on_load or (lambda before: None)
        self._cache: dict[str, Any] = {}
        self._frozen: str | None = None
        self._lock = RLock()

    # Reading ----------------------------------------------------------------------------------------------------------

    def value(self, name: str) -> Any:
        """The value in force. Raises ``KeyError`` for a name that nobody has set and no setting has."""
        try:
            return self._cache[name]
        except KeyError:
            with self._lock:
                found = self._cache[name] = self._find(OLD.get(name, name))
            return found

    def _find(self, name: str) -> Any:
        found = self._said(name)
        for key, entry in self._beside.get(name, {}).items():
            found.setdefault(key, entry)
        return found

    def _said(self, name: str) -> Any:
        setting = self.TABLE.get(name)
        for variable in setting.environ if setting else ():
            if self._environ.get(variable):
                return self._checked(name, self._environ[variable])
        self.load()
        for layer in (self._assigned, self._loaded):
            if name in layer:
                return layer[name]
        for added in reversed(self._added):
            values = added() if callable(added) else added
            if name in values:
                return self._checked(name, values[name]) if setting else values[name]
        if setting is None:
            raise KeyError(name)
        default = setting.default(self.defaults)
        return self._default_dicts.setdefault(name, default) if isinstance(default, dict) else default

    @property
    def is_read(self) -> bool:
        """Whether no configuration object waits to be read."""
        return self._pending is None

    def load(self) -> None:
        """Read the configuration object now, if there is one that was not read."""
        if self._pending is None:
            return
        with self._lock:
            pending, self._pending = self._pending, None
            if pending is None:
                return
            told, self._on_load = self._on_load, lambda before: None
            told(True)
            try:
                self._loaded = {name: self._checked(name, value) for name, value in pending().items()}
            except BaseException:
                self._pending, self._on_load = pending, told  # the next read fails the same way, not with a default
                raise
            self._changed()
            told(False)

    def __getitem__(self, name: str) -> Any:
        return self.value(name)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self.value(name)
        except KeyError:
            known = nearest(name, self.TABLE)
            raise AttributeError(f"no setting {name!r}" + (f"; did you mean {known!r}?" if known else "")) from None

    def __iter__(self) -> Iterator[str]:
        self.load()
        return iter({**self.TABLE, **self._loaded, **self._assigned})

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, name: object) -> bool:
        try:
            self.value(str(name))
        except KeyError:
            return False
        return True

    def changed(self) -> dict[str, Any]:
        """What somebody set: without the defaults."""
        self.load()
        seen = self._default_dicts.items()
        written = {name: value for name, value in seen if value != self.TABLE[name].default(self.defaults)}
        return {**written, **self._loaded, **self._assigned}

    without_defaults = changed

    def value_set_for(self, name: str) -> bool:
        """Whether somebody set it."""
        return OLD.get(name, name) in self.changed()

    def first(self, *names: str) -> Any:
        """The first value of these that is not None."""
        return next((value for name in names if (value := self.get(name)) is not None), None)

    def get_by_parts(self, *parts: str) -> Any:
        """The value of the name in parts: ``get_by_parts("worker", "direct")``."""
        return self["_".join(part for part in parts if part)]

    def find_value_for_key(self, name: str, namespace: str = "celery") -> Any:
        """The value of the setting whose name ends so: of ``namespace``, else the first there is. Or ``KeyError``."""
        name = name.lower()
        if f"{namespace}_{name}" in self.TABLE:
            return self[f"{namespace}_{name}"]
        endings = (known for known in self.TABLE if known == name or known.partition("_")[2] == name)
        return self[next(endings, name)]

    def table(self, with_defaults: bool = False, censored: bool = True) -> dict[str, Any]:
        """Settings for a person to read; values of names that sound secret are masked."""
        shown = {name: self[name] for name in self} if with_defaults else self.changed()
        if not censored:
            return shown
        return {name: "********" if sounds_secret(name) else value for name, value in shown.items()}

    def humanize(self, with_defaults: bool = False, censored: bool = True) -> str:
        """``table`` as lines of text."""
        return "\n".join(f"{name}: {value!r}" for name, value in sorted(self.table(with_defaults, censored).items()))

    # Setting ----------------------------------------------------------------------------------------------------------

    def __setitem__(self, name: str, value: Any) -> None:
        self.assign(name, value)

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_") or name in _OWN:
            object.__setattr__(self, name, value)
        else:
            self.assign(name, value)

    def __delitem__(self, name: str) -> None:
        """Back to what it was without the assignment."""
        self._thaw_check(name)
        with self._lock:
            del self._assigned[OLD.get(name, name)]
            self._changed()

    def assign(self, name: str, value: object) -> None:
        """Set one. Raises ``ImproperlyConfigured`` for a wrong value, a mistyped name, or once a worker has started."""
        name = OLD.get(name, name)
        self._thaw_check(name)
        checked = self._checked(name, value, typed=True)
        with self._lock:
            self._assigned[name] = checked
            self._changed()

    @contextmanager
    def overridden(self, values: Mapping[str, Any]) -> Iterator[None]:
        """Other values for the length of a block, as a test wants them. What is assigned inside goes with its end."""
        with self._lock:
            before = dict(self._assigned)
        try:
            self.update(values)
            yield
        finally:
            self._thaw_check("what a block has overridden")
            with self._lock:
                self._assigned = before
                self._changed()

    def add_defaults(self, values: Mapping[str, Any] | Callable[[], Mapping[str, Any]]) -> None:
        """Values for what nobody set, weaker than all other sources; a callable is called when one is needed."""
        self._thaw_check("defaults")
        with self._lock:
            self._added.append(values)
            self._changed()

    def put_beside(self, name: str, key: str, entry: object) -> None:
        """Have the setting ``name``, a dict, hold ``entry`` too, unless it has one of that ``key`` itself."""
        with self._lock:
            self._beside.setdefault(name, {})[key] = entry
            self._changed()

    def from_object(self, obj: Any, *, silent: bool = False, force: bool = False, namespace: str | None = None) -> None:
        """Take settings from a module, object or dict, or the dotted name of one. See ``Umbel.config_from_object``."""
        self._thaw_check("the configuration object")
        with self._lock:
            self.namespace = namespace or self.namespace
            self._pending = lambda: source.read(obj, self.namespace, silent=silent, forgive=self.defaults == "celery")
            self._changed()
        if force:
            self.load()

    def from_envvar(
        self, variable: str, *, silent: bool = False, force: bool = False, namespace: str | None = None
    ) -> bool:
        """``from_object`` with the name in an environment variable. See ``Umbel.config_from_envvar``."""
        name = self._environ.get(variable)
        if not name:
            if silent:
                return False
            raise ImproperlyConfigured(f"the environment variable {variable} is not set: it names the configuration")
        self.from_object(name, silent=silent, force=force, namespace=namespace)
        return True

    def freeze(self, why: str = "a worker is running with it") -> None:
        """From now on, assigning raises."""
        self.load()
        self._frozen = why

    def thaw(self) -> None:
        """Assigning is allowed again."""
        self._frozen = None

    def _thaw_check(self, name: str) -> None:
        if self._frozen is not None:
            raise ImproperlyConfigured(
                f"setting {name} cannot be changed any more: {self._frozen}. Set it where the app is made."
            )

    def _changed(self) -> None:
        self._cache.clear()
        self.version += 1

    def _checked(self, name: str, value: object, *, typed: bool = False) -> Any:
        setting = self.TABLE.get(name)
        if setting is not None:
            checked = setting.check(value)
            objection = setting.objection(checked)
            if objection is not None:
                self._object(objection, kept=setting.status != "obsolete")
            return checked
        if typed or name.startswith(_PREFIXES):
            self._suspect(name)
        return value

    def _suspect(self, name: str) -> None:
        meant = nearest(name, self.TABLE)
        if meant is None:
            return
        self._object(f"there is no setting {name!r}; did you mean {meant!r}?", kept=True)

    def _object(self, text: str, *, kept: bool) -> None:
        """Say what is wrong: as an error, or as a warning where Celery would keep it and the app is moving from it."""
        if self.defaults == "umbel" or not kept:
            raise ImproperlyConfigured(text)
        warnings.warn(text, UmbelWarning, stacklevel=5)


# Of the constructor ---------------------------------------------------------------------------------------------------

_KEYWORDS = ("main", "broker", "backend", "include", "defaults", "config_source", "namespace", "changes", "task_cls")
_LATER = ("amqp", "control", "events", "fixups", "loader", "log", "tasks")


def check_keywords(settings: Mapping[str, Any]) -> None:
    """Refuse what was passed to ``Umbel()`` and is neither a keyword nor a setting, but looks like a keyword."""
    for name in settings.keys() - Settings.TABLE.keys() - OLD.keys():
        if name in _LATER:
            raise ImproperlyConfigured(f"Umbel({name}=...) is not built yet; leave it out")
        meant = nearest(name, _KEYWORDS)
        if meant is not None:
            raise ImproperlyConfigured(f"Umbel() has no keyword {name!r}; did you mean {meant!r}?")
