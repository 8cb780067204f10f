"""One setting: how it is read, its two defaults, what it means, and whether it does anything. Holds no values."""

from typing import Any, ClassVar, Generic, Literal, TypeVar, overload

from umbel.app.parse import Kind, anything
from umbel.core.errors import ImproperlyConfigured

T = TypeVar("T")
Defaults = Literal["umbel", "celery"]
Status = Literal["built", "by design", "later", "no use", "obsolete"]

SECRET = ("API", "TOKEN", "KEY", "SECRET", "PASS", "PROFANITIES_LIST", "SIGNATURE", "DATABASE", "BEAT_DBURI")
"""Words in a name whose value is not shown, as Celery has them."""

_REFUSAL: dict[Status, str] = {
    "later": "this setting is not built yet; leave it out",
    "no use": "Umbel has no use for it: {about}; leave it out",
    "obsolete": "this setting is obsolete; {about}",
}


def sounds_secret(name: str) -> bool:
    """Whether the value of a setting of this name is nobody's business."""
    return any(word in name.upper() for word in SECRET)


class Setting(Generic[T]):
    """One row of the table: a descriptor that reads and assigns through ``Values``.

    A setting that is not ``built`` can be read, and set to what it is anyway. What happens with another value, its
    ``status`` says: ``by design`` any value is taken, because Umbel does what is asked, whatever it is; ``later`` and
    ``no use`` refuse it (Celery's defaults keep it and warn); ``obsolete`` refuses it always. A setting that is read
    and ignored would be worse than none.
    """

    def __init__(
        self,
        kind: Kind[T],
        umbel: Any,
        doc: str,
        *,
        celery: Any = ...,
        environ: tuple[str, ...] = (),
        status: Status = "built",
        about: str = "",
    ) -> None:
        self.name = ""
        self.section = ""
        self.kind = kind
        self.doc = doc
        self.environ = environ
        self.status: Status = status
        self.about = about
        self._umbel = umbel
        self._celery: T = umbel if celery is ... else celery

    def __set_name__(self, owner: "type[Values]", name: str) -> None:
        self.name = name
        self.section = (owner.__doc__ or "").rstrip(".")
        owner.TABLE[name] = self

    @property
    def built(self) -> bool:
        """Whether its value changes what Umbel does."""
        return self.status == "built"

    def default(self, defaults: Defaults) -> T:
        """The value where nobody sets one."""
        value = self._umbel if defaults == "umbel" else self._celery
        return value.copy() if isinstance(value, dict) else value  # type: ignore[return-value]

    def check(self, value: object) -> T:
        """``value`` as the setting's type, or ``ImproperlyConfigured`` that says what is allowed."""
        try:
            return self.kind(value)
        except (TypeError, ValueError):
            raise ImproperlyConfigured(f"setting {self._told(value)}: expected {self.kind.allowed}") from None

    def objection(self, value: T) -> str | None:
        """Why Umbel does not do what ``value`` asks for; None where it does."""
        if self.status not in _REFUSAL or value in (self._umbel, self._celery):
            return None
        return f"setting {self._told(value)}: {_REFUSAL[self.status].format(about=self.about)}"

    def _told(self, value: object) -> str:
        return f"{self.name} = {'********' if sounds_secret(self.name) else repr(value)}"

    @overload
    def __get__(self, values: None, owner: type) -> "Setting[T]": ...
    @overload
    def __get__(self, values: "Values", owner: type) -> T: ...
    def __get__(self, values: "Values | None", owner: type) -> "Setting[T] | T":
        if values is None:
            return self
        value: T = values.value(self.name)
        return value

    def __set__(self, values: "Values", value: object) -> None:
        values.assign(self.name, value)


class Values:
    """What the sections of the table share: the table, and how a value is read and set."""

    TABLE: ClassVar[dict[str, Setting[Any]]] = {}

    def value(self, name: str) -> Any:
        """The value in force."""
        raise NotImplementedError

    def assign(self, name: str, value: object) -> None:
        """Set a value."""
        raise NotImplementedError


# Settings that are not built ------------------------------------------------------------------------------------------


def later(umbel: Any, doc: str, kind: Kind[Any] = anything, *, celery: Any = ...) -> Setting[Any]:
    """A setting that a later release builds."""
    return Setting(kind, umbel, doc, celery=celery, status="later")


def by_design(umbel: Any, doc: str, kind: Kind[Any] = anything) -> Setting[Any]:
    """A setting whose wish Umbel fulfils whatever its value. ``doc`` says how."""
    return Setting(kind, umbel, doc, status="by design")


def no_use(umbel: Any, doc: str, why: str, kind: Kind[Any] = anything) -> Setting[Any]:
    """A setting for a part of Celery that Umbel does not have."""
    return Setting(kind, umbel, doc, status="no use", about=why)


def amqp(umbel: Any, doc: str, kind: Kind[Any] = anything) -> Setting[Any]:
    """A setting that only RabbitMQ gives a meaning."""
    return no_use(umbel, doc, "only RabbitMQ knows it, and no adapter for that is built yet", kind)


def obsolete(instead: str, default: Any = None) -> Setting[Any]:
    """A setting of Celery's past. ``instead`` says what takes its place."""
    return Setting(anything, default, f"Obsolete: {instead}.", status="obsolete", about=instead)


def rows(owner: type[Values], settings: dict[str, Setting[Any]]) -> None:
    """Add settings to the table that are made in a loop."""
    for name, setting in settings.items():
        setting.__set_name__(owner, name)
