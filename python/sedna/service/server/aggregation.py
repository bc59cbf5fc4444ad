"""The federated aggregation server: the core's rounds and sockets, with rules of one's own on the thread of start()."""

from __future__ import annotations

import threading
from typing import Any, Callable, Dict, List, Optional

from sedna.algorithms.aggregation import AggClient, FedAvg
from sedna.common.class_factory import ClassFactory, ClassType
from sedna.common.config import Context
from sedna.common.log import LOGGER
from sedna.service.server._signals import stop_on_sigterm
from sedna.service.server.aggregation_v2 import AggregationServerV2

__all__ = ("AggregationServer", "AggregationServerV2")

# How long a thread waits for a round before Python's signal handlers get their turn.
_SIGNAL_TURN_SECONDS = 0.2
_DEFAULT_PORT = 7363
_DEFAULT_MAX_MESSAGE = 1 << 30


class AggregationServer:
    """Collects the updates of ``participants_count`` clients, aggregates, sends the model back, ``exit_round`` times.

    Args:
        aggregation: the rule's registered name (ClassType.FL_AGG), and the path that clients connect to.
        host, http_port: where to listen; AGG_BIND_IP (127.0.0.1; every address with SEDNA_SERVE_PLAINTEXT=1) and
            AGG_BIND_PORT (7363) when not given. Port 0 takes any (``port`` says which).
        exit_round: how many rounds.
        participants_count: how many updates close a round.
        ws_size: the largest message in bytes; SEDNA_FL_MAX_MESSAGE (1 GiB) when not given.
        round_deadline: seconds from a round's first update until it closes with what there is;
            SEDNA_FL_ROUND_DEADLINE (3600) when not given.
        upstream: the aggregator above, ``http(s)://HOST:PORT/<aggregation>``: this one is a site of its job, and brings it
            the sum of its clients' updates; AGG_UPSTREAM when not given. Rules and rounds are said there.
        site: what this aggregator is called there; WORKER_NAME when not given. AGG_UPSTREAM_TOKEN_FILE,
            SEDNA_AGG_TLS_CA, …_CERT, …_KEY and CONNECT_TIMEOUT as for ``sedna-worker aggregate``.
        settings: what ``sedna-worker aggregate`` has as flags, by name: ``algorithm="FedAdam,learningRate=0.03"``,
            ``robust="MultiKrum,f=2"``, ``clip="median"``, ``state="folder"``, …; SEDNA_FL_<NAME> when not given.

    The algorithms and robust rules of the core (FedAvg, FedAdam, SCAFFOLD, Median, …) run there, by the aggregation's name
    or by ``algorithm``. Any other registered rule is called here with a list of AggClient, as upstream calls it; one that
    is registered under a name of the core's goes before it. Serving beyond loopback needs TLS and identity
    (SEDNA_TLS_CERT, SEDNA_TLS_KEY, and SEDNA_TLS_CLIENT_CA or SEDNA_TOKEN_FILE), or SEDNA_SERVE_PLAINTEXT=1.
    """

    def __init__(
        self,
        aggregation: str,
        host: Optional[str] = None,
        http_port: Optional[int] = None,
        exit_round: int = 1,
        participants_count: int = 1,
        ws_size: Optional[int] = None,
        round_deadline: Optional[float] = None,
        upstream: Optional[str] = None,
        site: Optional[str] = None,
        **settings: Any,
    ) -> None:
        get = Context.get_parameters
        self._plaintext = str(get("SEDNA_SERVE_PLAINTEXT", "")).lower() in ("1", "true", "yes", "on")
        name = aggregation if isinstance(aggregation, str) else getattr(aggregation, "__name__", type(aggregation).__name__)
        self.aggregation = name
        self.settings = _settings(settings, round_deadline)
        self._rule_class = _rule_of(aggregation, name, self.settings)
        self.host = host or get("AGG_BIND_IP", "0.0.0.0" if self._plaintext else "127.0.0.1")  # noqa: S104 (meant, then)
        self.http_port = int(http_port if http_port is not None else get("AGG_BIND_PORT", _DEFAULT_PORT))
        self.exit_round = int(exit_round)
        self.participants_count = int(participants_count)
        self.ws_size = int(ws_size if ws_size is not None else get("SEDNA_FL_MAX_MESSAGE", _DEFAULT_MAX_MESSAGE))
        self.round_deadline = float(self.settings.get("round-deadline", 3600))
        self.upstream = str(upstream or get("AGG_UPSTREAM", "") or "")
        self.site = str(site or get("WORKER_NAME", "") or "")
        if self.upstream and self._rule_class is not None:
            raise ValueError(f"{name} is a rule of your own and looks at each client's update: it cannot be a site of "
                             f"{self.upstream}")
        self.features = False  # updates are MistNet's, for the rule to train on
        self.store: Dict[str, str] = {}  # an object store that bulk may travel through
        self.port = 0
        self.ready = threading.Event()
        self.on_round: Optional[Callable[[Any], None]] = None
        self._host: Any = None
        self._stopping = threading.Event()

    def start(self) -> None:
        """Serves on this thread until the last round's clients have gone, or stop(), SIGINT or SIGTERM.

        RuntimeError with the reason when the job fails. Ctrl-C raises KeyboardInterrupt here.
        """
        native_rule = self._rule_class is None
        rule = None if self._rule_class is None else self._rule_class()
        host = self._host = self._make_host(python_rule=not native_rule)
        restore = stop_on_sigterm(self._stopping)
        try:
            while self.upstream and not host.prepare(_SIGNAL_TURN_SECONDS):
                if self._stopping.is_set():
                    return
            host.start()
            self.port = host.port
            self.ready.set()
            LOGGER.info("aggregation %s on %s: %d rounds of %d updates", self.aggregation, host.origin, self.exit_round,
                        self.participants_count)
            over = False
            while not over and not self._stopping.is_set():
                if rule is not None:
                    self._answer(host.next(_SIGNAL_TURN_SECONDS), rule)
                    over = host.wait(0)
                else:
                    over = host.wait(_SIGNAL_TURN_SECONDS)
                self._tell(host.reports())
            failure = host.failure
        finally:
            restore()
            host.stop()
            self._host = None
        if failure:
            raise RuntimeError(failure)

    def stop(self) -> None:
        """Ends start(), from any thread."""
        self._stopping.set()

    @property
    def clients(self) -> List[str]:
        """Who is connected."""
        host = self._host
        return list(host.clients) if host is not None else []

    def _make_host(self, python_rule: bool) -> Any:
        from sedna._native import native

        get = Context.get_parameters
        return native.AggregationHost(
            aggregation=self.aggregation, host=self.host, port=self.http_port, participants=self.participants_count,
            exit_round=self.exit_round, max_message=self.ws_size, settings=self.settings,
            python_rule=python_rule, plaintext=self._plaintext, cert_file=get("SEDNA_TLS_CERT", ""),
            key_file=get("SEDNA_TLS_KEY", ""), client_ca_file=get("SEDNA_TLS_CLIENT_CA", ""),
            token_file=get("SEDNA_TOKEN_FILE", ""), features=self.features, store=self.store,
            **({"upstream": self._above()} if self.upstream else {}),
        )

    def _above(self) -> Dict[str, str]:
        """The aggregator above, as the core reads it."""
        names = ("AGG_UPSTREAM_TOKEN_FILE", "SEDNA_AGG_TLS_CA", "SEDNA_AGG_TLS_CERT", "SEDNA_AGG_TLS_KEY", "CONNECT_TIMEOUT")
        said = {name: str(Context.get_parameters(name)) for name in names if Context.get_parameters(name)}
        return {**said, "AGG_UPSTREAM": self.upstream, "WORKER_NAME": self.site}

    def _answer(self, call: Any, rule: Any) -> None:
        if call is None:
            return
        try:
            clients = []
            for _, num_samples, weights in call.clients():
                client = AggClient()
                client.num_samples = num_samples
                client.weights = weights
                clients.append(client)
            result = rule.aggregate(clients)
            call.complete(_as_arrays(result), float(rule.total_size or 0))
        except Exception as error:  # user code: whatever it raises ends the job, with its name
            LOGGER.exception("the rule %s raised", self.aggregation)
            call.fail(f"{type(error).__name__}: {error}")

    def _tell(self, reports: List[Any]) -> None:
        for report in reports:
            if self.on_round is not None:
                self.on_round(report)


def settings_of_environment() -> Dict[str, str]:
    """The core's settings, as far as SEDNA_FL_<NAME> says."""
    return _settings({}, None)


def _settings(given: Dict[str, Any], round_deadline: Optional[float]) -> Dict[str, str]:
    """The core's settings: SEDNA_FL_<NAME>, and above those what was given as keywords."""
    from sedna._native import native

    if round_deadline is not None:
        given = {**given, "round_deadline": round_deadline}
    names = native.federated_settings()
    out = {}
    for name in names:
        value = Context.get_parameters("SEDNA_FL_" + name.upper().replace("-", "_"))
        if value not in (None, ""):
            out[name] = str(value)
    for key, value in given.items():
        name = key.replace("_", "-")
        if name not in names:
            raise TypeError(f"AggregationServer has no setting {key!r}; there are {', '.join(names)}")
        out[name] = str(value).lower() if isinstance(value, bool) else str(value)
    return out


def _rule_of(aggregation: Any, name: str, settings: Dict[str, str]) -> Any:
    """The rule's class when it is Python's to run; None when it is the core's."""
    from sedna._native import native

    if isinstance(aggregation, type):
        return None if aggregation is FedAvg else aggregation
    if "algorithm" in settings:
        return None
    if name == "FedAvg" or (name in native.federated_rules() and not ClassFactory.is_exists(ClassType.FL_AGG, name)):
        registered = ClassFactory.get_cls(ClassType.FL_AGG, name) if name == "FedAvg" else FedAvg
        return None if registered is FedAvg else registered
    return ClassFactory.get_cls(ClassType.FL_AGG, name)


def _as_arrays(weights: Any) -> Any:
    """A rule's result, arrays or nested lists, as what the core writes; None stays."""
    if weights is None:
        return None
    import numpy as np

    return [_wide(np.asarray(layer)) for layer in weights]


def _wide(array: Any) -> Any:
    return array if array.dtype.char in "fd" else array.astype("float64")
