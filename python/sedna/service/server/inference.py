"""The big model's server: the core's (upstream's JSON routes and the Open Inference Protocol v2 on one port), with user
code on the thread that called start()."""

from __future__ import annotations

import atexit
import threading
import weakref
from typing import Any, Callable, Dict, List, Optional, Sequence

from sedna.common.config import Context
from sedna.common.log import LOGGER
from sedna.service.server._signals import stop_on_sigterm

__all__ = ("InferenceServer",)

# How long a thread waits for a request before Python's signal handlers get their turn.
_SIGNAL_TURN_SECONDS = 0.2


_SERVING: weakref.WeakSet[InferenceServer] = weakref.WeakSet()


@atexit.register
def _stop_all() -> None:
    """Servers on daemon threads end in good order before the interpreter does."""
    servers = list(_SERVING)
    for server in servers:
        server.stop()
    for server in servers:
        server._ended.wait(10)


class InferenceServer:
    """Serves ``model.inference(data, post_process=…)`` until it is ended.

    Args:
        model: an object with ``inference(data, post_process=None, **kwargs)``.
        servername: the model's name, and the first segment of the JSON routes.
        host, http_port: where to listen; port 0 takes any (``port`` says which).
        max_buffer_size: the largest body accepted, in bytes.
        workers: as upstream, and without effect: SEDNA_PREDICT_THREADS (1) says how many threads run the model.
        aliases: further names that the JSON routes answer to.

    Serving beyond loopback needs TLS and identity (SEDNA_TLS_CERT, SEDNA_TLS_KEY, and SEDNA_TLS_CLIENT_CA or
    SEDNA_TOKEN_FILE), or SEDNA_SERVE_PLAINTEXT=1 to say that plaintext is meant.
    """

    def __init__(
        self,
        model: Any,
        servername: str,
        host: str = "127.0.0.1",
        http_port: int = 8080,
        max_buffer_size: int = 256 << 20,
        workers: int = 1,
        aliases: Sequence[str] = (),
    ) -> None:
        self.model = model
        self.server_name = servername
        self.host = host
        self.http_port = int(http_port)
        self.max_buffer_size = max_buffer_size
        self.aliases = [a for a in aliases if a]
        self.port = 0
        self.ready = threading.Event()
        self._host: Any = None
        self._stopping = threading.Event()
        self._ended = threading.Event()

    def start(self, load: Optional[Callable[[], None]] = None) -> None:
        """Listens, calls ``load`` (not ready meanwhile), then serves on this thread until stop(), SIGINT or SIGTERM.

        Ctrl-C raises KeyboardInterrupt here, after requests under way were answered.
        """
        text = str(Context.get_parameters("SEDNA_PREDICT_THREADS", "1"))
        threads = int(text) if text.isascii() and text.isdigit() else 0
        if threads < 1:
            raise ValueError(f"SEDNA_PREDICT_THREADS: is {text!r}; it must be a whole number, 1 or more")
        host = self._host = self._make_host(threads)
        host.start()
        self.port = host.port
        LOGGER.info("serving %s on %s", self.server_name, host.origin)
        self._ended.clear()
        _SERVING.add(self)
        restore = stop_on_sigterm(self._stopping)
        interrupted: Optional[KeyboardInterrupt] = None
        helpers: List[threading.Thread] = []
        try:
            try:
                if load is not None:
                    load()
                host.serve()
                self.ready.set()
                helpers = [threading.Thread(target=self._pump, name=f"sedna-predict-{i}", daemon=True)
                           for i in range(1, threads)]
                for helper in helpers:
                    helper.start()
                self._pump()
            except KeyboardInterrupt as error:
                interrupted = error
            self._drain()
        finally:
            restore()
            self._stopping.set()
            for helper in helpers:
                if helper.ident is not None:
                    helper.join()
            host.stop()
            # The core's part goes before it is said that this ended: at the interpreter's end it must be gone.
            self._host = None
            del host
            self._ended.set()
            _SERVING.discard(self)
        if interrupted is not None:
            raise interrupted

    def stop(self) -> None:
        """Ends start(), from any thread; requests under way are answered first."""
        self._stopping.set()

    def model_info(self) -> Dict[str, List[Dict[str, str]]]:
        """The JSON routes, as ``GET /<servername>`` tells them."""
        base = f"/{self.server_name}"
        return {"infos": [{"path": base, "name": "model_info"}, {"path": f"{base}/predict", "name": "predict"}]}

    def predict(self, data: Any) -> Dict[str, Any]:
        """One request without the network: ``{"data": …, "callback": …}``."""
        body = data if isinstance(data, dict) else {"data": data}
        return {"result": self.model.inference(body["data"], post_process=body.get("callback"))}

    def _make_host(self, threads: int) -> Any:
        from sedna._native import native

        get = Context.get_parameters
        services = native.json_services(self.server_name, "")
        services += [a for a in self.aliases if a not in services]
        return native.ServerHost(
            name=self.server_name, services=services, host=self.host, port=self.http_port,
            max_body=self.max_buffer_size,
            plaintext=str(get("SEDNA_SERVE_PLAINTEXT", "")).lower() in ("1", "true", "yes", "on"),
            cert_file=get("SEDNA_TLS_CERT", ""), key_file=get("SEDNA_TLS_KEY", ""),
            client_ca_file=get("SEDNA_TLS_CLIENT_CA", ""), token_file=get("SEDNA_TOKEN_FILE", ""), runners=threads,
        )

    def _pump(self) -> None:
        host = self._host
        while not self._stopping.is_set():
            call = host.next(_SIGNAL_TURN_SECONDS)
            if call is not None:
                self._answer(call)
            elif host.closed:
                return

    def _drain(self) -> None:
        """Lets the core finish what it has, while this thread goes on running the model for it."""
        host = self._host
        if not self.ready.is_set():
            return
        draining = threading.Thread(target=host.drain, name="sedna-drain", daemon=True)
        draining.start()
        while draining.is_alive():
            call = host.next(0.02)
            if call is not None:
                self._answer(call)
            elif host.closed:
                draining.join()

    def _answer(self, call: Any) -> None:
        if call.abandoned:
            return
        try:
            call.complete(self.model.inference(call.data(), post_process=call.callback or None))
        except Exception as error:  # user code: whatever it raises becomes that request's answer, and the log's
            LOGGER.exception("the model raised on request %s", call.request_id)
            call.fail(f"{type(error).__name__}: {error}")
