"""From a call to a published message, on one page: ``build`` makes the message, ``publish`` sends it.

    options (routes < task < call) → check → headers → before_task_publish → body → publish → after_task_publish

Knows brokers only by their port. Whatever is wrong with a call is raised before anything is sent.
"""

import asyncio
import warnings
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from umbel.app import bulk, request, signals
from umbel.app.argsrepr import short
from umbel.app.attempts import Attempts, policy_of
from umbel.app.calling import joins
from umbel.app.identity import origin, uuid
from umbel.app.plan import CANVAS, PROPERTIES, Plan
from umbel.core.delivery import Accepted, Outgoing, Receipt, Refused
from umbel.core.errors import EncodeError, OperationalError, PayloadTooLarge, UmbelWarning
from umbel.core.message import DeliveryInfo, Embed, Headers, Message, Properties
from umbel.core.nesting import waits
from umbel.core.options import delivery_mode, priority_of, seconds_of, timing
from umbel.core.resting import block_of
from umbel.core.routing import Destination
from umbel.core.signature import check_followers, embedded
from umbel.wire import body as wire_body
from umbel.wire import compression, envelope

if TYPE_CHECKING:
    from umbel.app.application import Umbel
    from umbel.app.task import Task

Args = tuple[Any, ...] | list[Any]
Kwargs = Mapping[str, Any]

_HEADERS = frozenset(Headers.__struct_fields__)
_NO_LIMITS = (None, None)
_NOTHING = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}


class Client:
    """The sending side of one app."""

    def __init__(self, app: "Umbel") -> None:
        self.app = app
        self._plans: dict[str, Plan] = {}
        self._warned_of_loop = False

    # Calling ----------------------------------------------------------------------------------------------------------

    def call(
        self, task: "Task[..., Any] | str", args: Args, kwargs: Kwargs, options: Mapping[str, Any] | None
    ) -> Outgoing:
        """Build and publish one call; blocks until the broker has it. Inside ``bulk()`` it is only collected."""
        messages = self.prepare(task, args, kwargs, options)
        if not bulk.collect(self.app, messages):
            self._warn_of_loop(messages[0])
            self.publish(messages, options)
        return messages[0]

    async def acall(
        self, task: "Task[..., Any] | str", args: Args, kwargs: Kwargs, options: Mapping[str, Any] | None
    ) -> Outgoing:
        """``call``, for coroutines."""
        messages = self.prepare(task, args, kwargs, options)
        if not bulk.collect(self.app, messages):
            await self.apublish(messages, options)
        return messages[0]

    def prepare(
        self,
        task: "Task[..., Any] | str",
        args: Args,
        kwargs: Kwargs,
        options: Mapping[str, Any] | None,
        embed: Embed | None = None,
    ) -> list[Outgoing]:
        """``build``, for every queue that the call goes to."""
        outgoing, queues = self._build(task, args, kwargs, options, embed)
        if len(queues) == 1 or outgoing.exchange is not None:
            return [outgoing]
        return [Outgoing(queue, outgoing.message, outgoing.due) for queue in queues]

    def _warn_of_loop(self, outgoing: Outgoing) -> None:
        # The public function raises where there is no loop, which would cost every call.
        if asyncio._get_running_loop() is None or self._warned_of_loop or self.app.outlet is not None:  # noqa: SLF001
            return
        self._warned_of_loop = True
        warnings.warn(
            f"{outgoing.message.headers.task}: delay() blocks the running event loop; await adelay() there. Said once.",
            UmbelWarning,
            stacklevel=5,
        )

    # Building ---------------------------------------------------------------------------------------------------------

    def build(
        self,
        task: "Task[..., Any] | str",
        args: Args = (),
        kwargs: Kwargs | None = None,
        options: Mapping[str, Any] | None = None,
        embed: Embed | None = None,
    ) -> Outgoing:
        """One call as a message, complete and checked; nothing is sent.

        Raises ``TypeError`` for arguments that the task does not take or options that calls do not have,
        ``EncodeError``, ``PayloadTooLarge``, ``QueueNotFound``.
        """
        return self._build(task, args, {} if kwargs is None else kwargs, options, embed)[0]

    def check(self, task: "Task[..., Any] | str", args: Args, kwargs: Kwargs, options: Mapping[str, Any]) -> None:
        """Raise what ``build`` would raise for these arguments and options."""
        plan = self._plan(task)
        if plan.check is not None:
            plan.check(args, kwargs)
        plan.merge(args, kwargs, options)

    def _build(
        self,
        task: "Task[..., Any] | str",
        args: Args,
        kwargs: Kwargs,
        options: Mapping[str, Any] | None,
        embed: Embed | None,
    ) -> tuple[Outgoing, tuple[str, ...]]:
        plan = self._plan(task)
        if type(args) is not tuple and not isinstance(args, list | tuple):
            raise TypeError(f"{plan.name}: args is a list or tuple of arguments, not {type(args).__name__}")
        if type(kwargs) is not dict and not isinstance(kwargs, Mapping):
            raise TypeError(f"{plan.name}: kwargs is a mapping of names to arguments, not {type(kwargs).__name__}")
        if plan.check is not None:
            plan.check(args, kwargs)
        if plan.conversion is not None and _serializer(plan, options) != "pickle":  # which carries anything
            args, kwargs = plan.conversion.outgoing(args, kwargs)
        if options and not CANVAS.isdisjoint(options):
            options = dict(options)
            check_followers(options)
            embed = embedded(options, embed)
            if embed is not None and any(map(waits, (*(embed.callbacks or ()), *(embed.errbacks or ())))):
                joins(self.app)
        merged, destination = plan.merge(args, kwargs, options)
        headers, properties, due = self._head(plan, args, kwargs, merged, destination, options)
        if embed is not None and (block := block_of(embed.chain)) is not None:
            headers.umbel_rest = block
        custom = merged.get("headers")
        if custom:
            custom = _overlay(headers, custom)
        if signals.before_task_publish.receivers:
            headers, properties, custom, args, kwargs, embed = self._announce_before(
                plan, headers, properties, custom, (args, kwargs, embed), merged, destination
            )
        message = self._body(plan, headers, properties, custom, args, kwargs, embed, merged)
        if not destination.exchange:
            return Outgoing(destination.queues[0], message, due), destination.queues
        if self.app.broker.features.exchanges:
            return Outgoing("", message, due, destination.type), destination.queues
        queues = plan.router.each(destination, self.app.broker.features.name)
        return Outgoing(queues[0], message, due), queues

    def _plan(self, task: "Task[..., Any] | str") -> Plan:
        """What is known of the task's calls, from the last one if nothing has changed since."""
        conf = self.app.conf
        if isinstance(task, str):
            plan, known = self._plans.get(task), None
        else:
            plan, known = task.plan, task
        if plan is not None and plan.version == conf.version:
            return plan
        self.app.finalize(auto=True)
        router, fixed = self.app.routing()
        name = task if isinstance(task, str) else task.name
        plan = Plan(name, known, router, conf, fixed=fixed)
        if known is not None:
            known.plan = plan
        else:
            if len(self._plans) > 10_000:
                self._plans.clear()
            self._plans[name] = plan
        return plan

    def _head(
        self,
        plan: Plan,
        args: Args,
        kwargs: Kwargs,
        options: Mapping[str, Any],
        destination: Destination,
        given: Mapping[str, Any] | None,
    ) -> tuple[Headers, Properties, float | None]:
        parent = request.current.get()
        if options is plan.routed and plan.skeleton is not None:
            if parent is None:
                task_id = (given and given.get("task_id")) or uuid(self.app.clock.now())
                return *plan.skeleton.head(task_id, args, kwargs, given), None
            options = {**options, **given} if given else options
        get, conf = options.get, self.app.conf
        task_id = get("task_id") or uuid(self.app.clock.now())
        parent_id, root_id, priority = get("parent_id"), get("root_id"), get("priority")
        if parent is not None and parent.id is not None:
            root_id = root_id or parent.root_id or parent.id
            parent_id = parent_id or parent.id
            if priority is None and conf.task_inherit_parent_priority:
                priority = parent.delivery_info.get("priority")
        if priority is None:
            priority = conf.task_default_priority or 0
        if type(priority) is not int:
            priority = priority_of(priority)
        hard, soft = seconds_of(get("time_limit"), "time_limit"), seconds_of(get("soft_time_limit"), "soft_time_limit")
        if hard is not None and soft is not None and soft > hard:
            raise ValueError(f"{plan.name}: soft_time_limit {soft} is more than time_limit {hard}")
        headers = Headers(
            plan.name,
            task_id,
            "py",
            get("shadow"),
            None,
            None,
            get("group_id"),
            get("group_index"),
            get("retries", 0),
            _NO_LIMITS if hard is None and soft is None else (hard, soft),
            root_id or task_id,
            parent_id,
            get("argsrepr") or short(args, conf.task_repr_maxlevels),
            get("kwargsrepr") or short(kwargs, conf.task_repr_maxlevels),
            get("origin") or origin(),
            get("ignore_result"),
            get("replaced_task_nesting", 0),
            get("stamped_headers"),
            {name: options[name] for name in get("stamped_headers") or () if name in options},
        )
        info = DeliveryInfo(destination.exchange, destination.routing_key)
        properties = Properties(
            task_id,
            get("reply_to"),
            delivery_mode(get("delivery_mode"), conf.task_default_delivery_mode),
            info,
            priority,
        )
        due = None
        if "countdown" in options or "eta" in options or "expires" in options:
            due = self._times(headers, properties, options)
        if not options.keys().isdisjoint(_GIVEN_PROPERTIES):
            properties.correlation_id = get("correlation_id") or task_id
            properties.expiration = _milliseconds(get("expiration")) or properties.expiration
        return headers, properties, due

    def _times(self, headers: Headers, properties: Properties, options: Mapping[str, Any]) -> float | None:
        """Set ``eta`` and ``expires``, and return when the message is due."""
        app = self.app
        times = timing(
            countdown=options.get("countdown"),
            eta=options.get("eta"),
            expires=options.get("expires"),
            now=app.clock.now(),
            zone=app.timezone,
        )
        headers.eta, headers.expires, properties.expiration = times.eta, times.expires, times.expiration
        return times.due

    def _body(
        self,
        plan: Plan,
        headers: Headers,
        properties: Properties,
        custom: dict[str, Any] | None,
        args: Args,
        kwargs: Kwargs,
        embed: Embed | None,
        options: Mapping[str, Any],
    ) -> Message:
        serializer = options.get("serializer") or plan.serializer
        try:
            content_type, encoding, data = wire_body.encode(args, kwargs, embed, serializer)
        except EncodeError as error:
            raise plan.named(error, embed) from error.__cause__
        method = options.get("compression") or plan.compression
        if method:
            headers.compression, data = compression.compress(data, method)
        limit = plan.max_payload
        if limit is not None and len(data) > limit:
            raise PayloadTooLarge(plan.name, len(data), limit)
        return Message(headers, properties, data, content_type, encoding, custom or None)

    def _announce_before(
        self,
        plan: Plan,
        headers: Headers,
        properties: Properties,
        custom: dict[str, Any] | None,
        content: tuple[Args, Kwargs, Embed | None],
        options: Mapping[str, Any],
        destination: Destination,
    ) -> tuple[Headers, Properties, dict[str, Any] | None, Args, Kwargs, Embed | None]:
        """Send ``before_task_publish``, and keep what its receivers change."""
        embed = dict(_NOTHING) if content[2] is None else msgspec.structs.asdict(content[2])
        parts = (content[0], content[1], embed)
        shown_headers = {**_shown(headers), **(custom or {})}
        shown_properties = _shown(properties)
        del shown_properties["delivery_info"]
        signals.before_task_publish.send(
            sender=plan.name,
            body=parts,
            exchange=destination.exchange,
            routing_key=destination.routing_key,
            headers=shown_headers,
            properties=shown_properties,
            declare=[plan.router.find(queue) for queue in destination.queues],
            retry_policy=policy_of(self.app.conf, options),
        )
        custom = _overlay(headers, shown_headers)
        known = {name: value for name, value in shown_properties.items() if name in Properties.__struct_fields__}
        return (
            headers,
            msgspec.structs.replace(properties, **known),
            custom,
            parts[0],
            parts[1],
            content[2] if embed == _NOTHING else Embed(**embed),
        )

    # Publishing -------------------------------------------------------------------------------------------------------

    def publish(self, messages: Sequence[Outgoing], options: Mapping[str, Any] | None = None) -> None:
        """Publish within ``broker_publish_timeout``, with the retry policy of ``options`` or the settings.

        Raises ``OperationalError`` that says what became of the messages, and what to do.
        """
        app = self.app
        started, deadline = app.clock.monotonic(), app.conf.broker_publish_timeout
        attempts: Attempts | None = None
        while True:
            try:
                outlet = app.outlet
                receipts = (app.sync_producer if outlet is None else outlet).publish(messages, deadline=deadline)
                break
            except OperationalError as error:
                attempts = attempts or Attempts(app, options, started)
                app.clock.pause(attempts.pause(error))
                deadline = attempts.remaining()
        self._check(messages, receipts)

    async def apublish(self, messages: Sequence[Outgoing], options: Mapping[str, Any] | None = None) -> None:
        """``publish``, for coroutines."""
        attempts = Attempts(self.app, options, self.app.clock.monotonic())
        while True:
            try:
                outlet = self.app.outlet
                if outlet is not None:
                    receipts = await outlet.apublish(messages, deadline=attempts.remaining())
                else:
                    receipts = await self.app.producer().publish(messages, deadline=attempts.remaining())
                break
            except OperationalError as error:
                await self.app.clock.sleep(attempts.pause(error))
        self._check(messages, receipts)

    def _check(self, messages: Sequence[Outgoing], receipts: Sequence[Receipt]) -> None:
        failed: tuple[Outgoing, Receipt] | None = None
        heard = signals.after_task_publish.receivers or signals.task_sent.receivers
        for outgoing, receipt in zip(messages, receipts, strict=True):
            if type(receipt) is Accepted:
                if heard:
                    self.announce(outgoing)
            elif failed is None:
                failed = outgoing, receipt
        if failed is None:
            return
        outgoing, receipt = failed
        headers = outgoing.message.headers
        call = f"{headers.task}[{headers.id}]"
        others = f" Of {len(messages)} messages, {_accepted(receipts)} were accepted." if len(messages) > 1 else ""
        if isinstance(receipt, Refused):
            raise OperationalError(f"the broker refused {call}: {receipt.error}.{others}") from receipt.error
        assert not isinstance(receipt, Accepted)
        raise OperationalError(
            f"{call} was sent but not confirmed: {receipt.error}. It may run; sent again, it may run twice.{others}"
        ) from receipt.error

    def announce(self, outgoing: Outgoing) -> None:
        """Send ``after_task_publish`` (and Celery's old ``task_sent``) for a message that is out."""
        if not (signals.after_task_publish.receivers or signals.task_sent.receivers):
            return
        message = outgoing.message
        headers = {**_shown(message.headers), **(envelope.custom_headers(message) or {})}
        accept = frozenset([message.content_type])
        args, kwargs, embed = wire_body.decode(message, accept)
        signals.after_task_publish.send(
            sender=message.headers.task,
            headers=headers,
            body=(args, kwargs, msgspec.structs.asdict(embed)),
            exchange=message.properties.delivery_info.exchange,
            routing_key=message.properties.delivery_info.routing_key,
        )
        signals.task_sent.send(
            sender=message.headers.task,
            task_id=message.headers.id,
            task=message.headers.task,
            args=args,
            kwargs=kwargs,
            eta=message.headers.eta,
            taskset=message.headers.group,
        )


_GIVEN_PROPERTIES = frozenset({"correlation_id", "expiration"}) & PROPERTIES


def _accepted(receipts: Sequence[Receipt]) -> int:
    return sum(isinstance(receipt, Accepted) for receipt in receipts)


def _serializer(plan: Plan, options: Mapping[str, Any] | None) -> str:
    name: str = (options or {}).get("serializer") or plan.options.get("serializer") or plan.serializer
    return name


def _milliseconds(value: Any) -> str | None:
    """AMQP's ``expiration`` option: seconds, as kombu takes it."""
    if value is None:
        return None
    seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)
    return str(int(seconds * 1000))


def _shown(struct: msgspec.Struct) -> dict[str, Any]:
    """A struct's fields for receivers of signals, who may change them."""
    shown = {name: value for name, value in msgspec.structs.asdict(struct).items() if value is not msgspec.UNSET}
    if "timelimit" in shown and shown["timelimit"] is not None:
        shown["timelimit"] = list(shown["timelimit"])
    return shown


def _overlay(headers: Headers, given: Mapping[str, Any]) -> dict[str, Any] | None:
    """Set in ``headers`` what ``given`` says about them, and return the rest: the caller's own headers."""
    rest = {}
    for name, value in given.items():
        if name in _HEADERS:
            setattr(headers, name, tuple(value) if name == "timelimit" and value is not None else value)
        else:
            rest[name] = value
    return rest or None
