"""Replays the recorded federated traces of upstream, from both ends: what recorded clients said to our server, and what
the recorded server said to our client. What differs on purpose stands in DIFFERENCES, with its reason (and in
docs/compatibility/federated.md)."""

from __future__ import annotations

import base64
import http.client
import json
import math
import os
import re
import socket
import struct
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Tuple

import numpy as np
import pytest
from doubles import recorder
from raw_websocket import BINARY, CLOSE, PING, PONG, TEXT, RawWebSocket
from vectors import VECTORS

from sedna.common.class_factory import ClassFactory
from sedna.core.federated_learning import FederatedLearning
from sedna.service.server import AggregationServer

pytest.importorskip("sedna._sedna", reason="the extension module is not built")

TRACES: List[Dict[str, Any]] = json.loads((VECTORS / "federated.json").read_text(encoding="utf-8"))["traces"]
CLIENT_TRACES = [(t, i) for t in TRACES for i in range(len(t["clients"]))]

CLOSE_1003 = ["close", 1003]
CLOSE_1008 = ["close", 1008]

# case → {number of the event: what our server does there instead; None: nothing}, and why.
DIFFERENCES: Dict[str, Dict[int, Any]] = {
    # Upstream's handler dies of JSON that is no object, without a word. Ours says so.
    "raw_bad_frames": {9: CLOSE_1003, 14: CLOSE_1003},
    # A restarted worker takes its place back; upstream drops the new connection and forgets the old one.
    "raw_duplicate_client": {7: CLOSE_1008, 8: ["text", '{"type": "subscribe", "client_id": "a"}'], 9: None,
                             11: ["response", 200, '{"clients":["a"]}'], 14: None},
    # An update without weights is refused with the reason; upstream passes it on to everybody.
    "raw_edges": {14: ["refused", "must be an object"], 15: None, 17: ["refused", "must be a list of arrays"], 18: None},
    # An update that is in stays in when its client leaves: the sum has it, and b's closes the round. (Upstream forgets it.)
    "raw_leave_mid_round": {
        15: ["then", "c2", ["text", '{"type": "recv_weight", "client": "b", "data": {"total_sample": 2, "round_number": 1, '
                            '"weights": [[2.0]], "exit_flag": "continue"}, "job_name": "j", "round_number": 1}']],
        23: None, 24: None},
    # Refused with the tensor's name, and the client stays. (Upstream drops it.)
    "raw_shape_mismatch": {12: ["refused", "weights[0]: has shape [3], the model's has [2]"], 13: None,
                           15: ["response", 200, '{"clients":["a","b"]}']},
    # A client whose connection has ended is not connected.
    "raw_too_big": {9: ["response", 200, '{"clients":[]}']},
    # Said, not just cut off.
    "raw_unsubscribed": {3: CLOSE_1008},
    # Zero samples would make every weight NaN.
    "raw_zero_samples": {5: ["refused", "num_samples: must be above 0"]},
    # Updates are summed as they come, not kept: only their number of samples can be told. A WebSocket to an unknown path
    # gets the answer of any unknown path.
    "http_client_info": {22: ["info", {"num_samples": 3}], 38: ["response", 404, None]},
    # A client that trains is neither pinged nor thrown out.
    "train_50_seconds": {4: None, 5: None, 6: None, 7: None},
}
# Cases whose client's failure is none here, or another one.
CLIENT_DIFFERENCES = {"aggregation_mistnet", "train_50_seconds"}


class Estimator:
    """The recorded estimator: everything grows by one in a training."""

    def __init__(self, index: int, columns: int) -> None:
        self.weights = [np.full((2, columns), 1.0 + index), np.full(columns, 10.0 * (index + 1)), np.array(5.0 + index)]
        self.calls: List[Any] = []

    def train(self, train_data: Any, valid_data: Any = None, **kwargs: Any) -> Any:
        self.calls.append(["train", len(train_data), sorted(kwargs)])
        self.weights = [w + 1 for w in self.weights]
        return {"loss": [0.5]}

    def get_weights(self) -> Any:
        return self.weights

    def set_weights(self, weights: Any) -> None:
        kinds = [[type(w).__name__, str(w.dtype), list(w.shape)] for w in weights]
        size = sum(w.size for w in weights)
        self.calls.append(["set_weights", kinds, "big" if size > 1000 else [w.tolist() for w in weights]])
        self.weights = list(weights)

    def save(self, path: str) -> None:
        Path(path).write_text("model")
        self.calls.append(["save", os.path.basename(path)])

    def load_weights(self, path: str) -> None:
        self.calls.append(["load_weights"])


def long_update(trace: Dict[str, Any]) -> str:
    columns = int(trace["clients"][0]["env"]["LAYER"])
    row = [2.0] * columns
    return json.dumps({"type": "update_weight", "client": "train-0",
                       "data": {"num_samples": 10, "weights": [[row, row], [11.0] * columns, 6.0]}, "job_name": "surface"})


def close_enough(expected: Any, actual: Any) -> bool:
    """Equal JSON; floats to the last bits, because ours divides once at the end."""
    if isinstance(expected, dict):
        return isinstance(actual, dict) and list(expected) == list(actual) and all(
            close_enough(v, actual[k]) for k, v in expected.items())
    if isinstance(expected, list):
        return isinstance(actual, list) and len(expected) == len(actual) and all(map(close_enough, expected, actual))
    if isinstance(expected, float):
        return isinstance(actual, float) and math.isclose(expected, actual, rel_tol=1e-14)
    return bool(expected == actual and type(expected) is type(actual))


def same_message(expected: str, actual: bytes) -> bool:
    """The same text, but for identifiers that are drawn and for the last bits of a mean."""
    e, a = json.loads(expected), json.loads(actual)
    if isinstance(e, dict) and e.get("type") == "CLIENT_JOIN" and re.fullmatch("[0-9a-f]{32}", str(e["data"])):
        return bool(re.fullmatch("[0-9a-f]{32}", a["data"]))
    return close_enough(e, a)


@contextmanager
def serving(trace: Dict[str, Any]) -> Iterator[AggregationServer]:
    options = {k.lower(): v for k, v in trace["server"].items()}
    server = AggregationServer(
        aggregation=options.get("aggregation_algorithm", "FedAvg"), http_port=0, exit_round=int(options["exit_round"]),
        participants_count=int(options["participants_count"]),
        ws_size=int(options["ws_size"]) if "ws_size" in options else None)
    thread = threading.Thread(target=server.start)
    thread.start()
    try:
        assert server.ready.wait(10)
        yield server
    finally:
        server.stop()
        thread.join(20)
        assert not thread.is_alive()


def get(port: int, line: str, body: Optional[str]) -> Tuple[int, str]:
    method, path = line.split(" ")
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path, body=body)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


class ServerReplay:
    """Says what the recorded clients said, in order, and compares what comes back."""

    def __init__(self, trace: Dict[str, Any], server: AggregationServer) -> None:
        self.trace, self.server, self.port = trace, server, server.port
        self.sockets: Dict[str, RawWebSocket] = {}
        self.requests: Dict[str, Tuple[str, Optional[str]]] = {}
        self.refused: Dict[str, str] = {}

    def run(self) -> None:
        differences = DIFFERENCES.get(self.trace["case"], {})
        for number, event in enumerate(self.trace["events"]):
            conn, who, kind, *content = event
            change = differences.get(number, ...)
            if change is None:
                continue
            if who == "client":
                self.say(conn, kind, content)
                if isinstance(change, list) and change[0] == "then":
                    self.expect(change[1], change[2][0], change[2][1:])
                continue
            if change is not ...:
                kind, content = change[0], change[1:]
                if self.trace["case"] == "raw_duplicate_client" and number == 8:
                    conn = "c2"
            self.expect(conn, kind, content)
        for ws in self.sockets.values():
            ws.close()

    def say(self, conn: str, kind: str, content: List[Any]) -> None:
        if kind == "upgrade":
            try:
                self.sockets[conn] = RawWebSocket.connect(self.port, content[0].split(" ")[1])
            except ConnectionRefusedError as error:
                self.refused[conn] = str(error)
        elif kind == "request":
            self.requests[conn] = (content[0], content[1])
        elif kind == "text":
            self.sockets[conn].send(content[0].encode())
            self.arrive(content[0])
        elif kind == "binary":
            data = content[0]
            self.sockets[conn].send(base64.b64decode(data["base64"]) if isinstance(data, dict) else data.encode(), BINARY)
        elif kind == "long":
            text = long_update(self.trace) if self.trace["clients"] else json.dumps(
                {"type": "update_weight", "client": "a", "data": {"num_samples": 1, "weights": [[1.0] * 30000]}})
            self.sockets[conn].send(text.encode())
        elif kind == "close":
            self.sockets.pop(conn).close(content[0])
        elif kind == "eof" and conn in self.sockets:
            self.sockets.pop(conn).close()

    def arrive(self, text: str) -> None:
        """Connections are read side by side: what was recorded first must have been read first."""
        if '"update_weight"' in text:
            time.sleep(0.1)  # nothing tells that an update is in before its round ends
        elif '"client_id"' in text:
            name = json.loads(text)["client_id"]
            deadline = time.monotonic() + 5
            while name not in self.server.clients and time.monotonic() < deadline:
                time.sleep(0.01)

    def expect(self, conn: str, kind: str, content: List[Any]) -> None:
        if kind in ("response", "info"):
            self.expect_response(conn, kind, content)
            return
        if conn not in self.sockets or kind == "eof":
            return  # an end that followed ours, or that follows the close frame already seen
        opcode, payload = self.sockets[conn].receive()
        what = f"{conn}: {opcode} {payload[:200]!r}, expected {kind} {str(content)[:200]}"
        if kind == "close":
            assert opcode == CLOSE, what
            assert struct.unpack(">H", payload[:2])[0] == content[0], what
            self.sockets.pop(conn).close()
            return
        assert opcode == TEXT, what
        if kind == "refused":
            message = json.loads(payload)
            assert message["type"] == "update_refused", what
            assert content[0] in message["data"]["reason"], what
        elif kind == "long":
            assert json.loads(payload)["data"]["weights"] == json.loads(long_update(self.trace))["data"]["weights"]
            assert len(payload) == content[0]
        else:
            assert same_message(content[0], payload), what

    def expect_response(self, conn: str, kind: str, content: List[Any]) -> None:
        if conn in self.sockets:
            assert content[0] == 101
            return
        if conn in self.refused:
            assert f" {content[0]} " in self.refused[conn] + " "
            return
        line, body = self.requests[conn]
        status, text = get(self.port, line, body)
        if kind == "info" or (content[1] or "").startswith('{"client_id"'):
            info = json.loads(text)
            assert abs(info["connected_at"] - time.time()) < 60
            assert info["info"] == (content[0] if kind == "info" else json.loads(content[1])["info"])
            return
        for _ in range(100):  # a goodbye reaches the list of clients when it has been read
            if text == content[1]:
                break
            time.sleep(0.02)
            status, text = get(self.port, line, body)
        assert (status, text) == (content[0], content[1])


@pytest.mark.parametrize("trace", TRACES, ids=lambda t: t["case"])
# FL-3.3
def test_our_server_with_recorded_clients(trace: Dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(trace) as server:
        ServerReplay(trace, server).run()


class RecordedServer:
    """Says what the recorded server said on one connection, after each frame that had come before it."""

    def __init__(self, events: List[Any], trace: Dict[str, Any]) -> None:
        self.events, self.trace = events, trace
        self.frames: List[bytes] = []
        self.lines: List[str] = []
        self.pongs = 0
        self.problem: Optional[BaseException] = None
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            ws, line = RawWebSocket.accept(self.listener.accept()[0])
            self.lines.append(line)
            for _, who, kind, *content in self.events:
                if kind in ("upgrade", "response", "eof", "close"):
                    continue
                if who == "client":
                    opcode, payload = ws.receive(20)
                    assert opcode == TEXT, (opcode, payload)
                    self.frames.append(payload)
                elif kind == "ping":
                    ws.send(b"1234", PING)
                    assert ws.receive(5) == (PONG, b"1234")
                    self.pongs += 1
                elif kind == "long":
                    model = json.loads(long_update(self.trace))
                    data = {"total_sample": 10, "round_number": 1, "weights": model["data"]["weights"], "exit_flag": "ok"}
                    ws.send(json.dumps({"type": "recv_weight", "client": "train-0", "data": data}).encode())
                else:
                    ws.send(content[0].encode())
            while True:
                opcode, payload = ws.receive(20)
                if opcode == CLOSE:
                    ws.send(payload, CLOSE)
                if opcode in (0, CLOSE):
                    break
            ws.sock.close()
        except BaseException as error:
            self.problem = error
        finally:
            self.listener.close()


def without_round(frame: bytes) -> Any:
    message = json.loads(frame)
    if message["type"] == "update_weight":
        assert message.pop("round_number") >= 1  # ours says which round an update is for; upstream's server does not look
    return message


@pytest.mark.parametrize(("trace", "index"), CLIENT_TRACES, ids=lambda v: v["case"] if isinstance(v, dict) else str(v))
# FL-3.3, FL-4.1
def test_our_client_with_the_recorded_server(
    trace: Dict[str, Any], index: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The Keras backend needs no Keras for an estimator that has its methods.
    monkeypatch.setitem(__import__("sedna.backend", fromlist=["x"])._BACKENDS, "KERAS",
                        ("sedna.backend.tensorflow", "KerasBackend", "json"))
    case = trace["case"]
    client = trace["clients"][index]
    subscriptions = [e for e in trace["events"] if e[1:3] == ["client", "text"] and '"subscribe"' in e[3]]
    conn = next(e[0] for e in subscriptions if client["env"]["WORKER_NAME"] in e[3])
    reports = [e[3] for e in trace["events"] if e[2] == "report" and e[3]["body"]["name"] == client["env"]["WORKER_NAME"]]
    events = [e for e in trace["events"] if e[0] == conn]
    if case == "train_50_seconds":  # it trains through the ping; then the server ends the job as it would have
        update = '{"type": "update_weight"'
        model = ('{"type": "recv_weight", "client": "train-0", "data": {"total_sample": 10, "round_number": 1, "weights": '
                 '[[[2.0, 2.0, 2.0], [2.0, 2.0, 2.0]], [11.0, 11.0, 11.0], 6.0], "exit_flag": "ok"}}')
        events = [*events[:5], [conn, "client", "text", update], [conn, "server", "text", model]]
    with recorder(lambda method, path, body: (200, b"{}")) as lc:
        upstream = RecordedServer(events, trace)
        env = {k: v.replace("<W>", str(tmp_path)) for k, v in client["env"].items()}
        for key, value in {**env, "AGG_IP": "127.0.0.1", "AGG_PORT": str(upstream.port),
                           "LC_SERVER": "" if case == "lc_down" else f"http://127.0.0.1:{lc.port}"}.items():
            monkeypatch.setenv(key, value)
        estimator = Estimator(int(env["CLIENT_INDEX"]), int(env.get("LAYER", 3)))
        if case == "train_50_seconds":
            plain = estimator.train

            def train_long(*args: Any, **kwargs: Any) -> Any:
                while upstream.pongs == 0 and upstream.problem is None:  # holds the interpreter the whole time
                    pass
                return plain(*args, **kwargs)

            estimator.train = train_long  # type: ignore[method-assign]
        job = FederatedLearning(estimator=estimator, aggregation=env.get("AGGREGATION", "FedAvg"))
        data = list(range(int(env["SAMPLES"])))
        kwargs = json.loads(env.get("TRAIN_KWARGS", "{}"))
        if case == "aggregation_mistnet":  # said in words; upstream: 'NoneType' object is not iterable
            with pytest.raises(RuntimeError, match="gave no weights"):
                job.train(data, **kwargs)
        else:
            assert type(job.train(data, **kwargs)).__name__ == "KerasBackend"
        upstream.thread.join(20)
        assert upstream.problem is None, upstream.problem

        assert upstream.lines == [f"{events[0][3]} HTTP/1.1"]
        sent = [e for e in events if e[1] == "client" and e[2] in ("text", "long")]
        assert len(upstream.frames) == len(sent)
        for frame, event in zip(upstream.frames, sent):
            if event[2] == "long":
                assert without_round(frame) == json.loads(long_update(trace))
            elif case != "train_50_seconds" or "subscribe" in event[3]:
                assert close_enough(json.loads(event[3]), without_round(frame))
        if case not in CLIENT_DIFFERENCES:
            expected = client["result"]["calls"]
            assert [c[:2] for c in estimator.calls] == [c[:2] for c in expected]
            assert all(close_enough(e, a) for e, a in zip(expected, estimator.calls))
        got = [(f"POST {path}", json.loads(body)) for path, body in lc.posts()]
    if case != "train_50_seconds":  # the recorded job dies before its first report
        check_reports(reports, got)


def check_reports(expected: List[Any], got: List[Any]) -> None:
    assert len(got) == len(expected)
    for report, (line, body) in zip(expected, got):
        assert line == report["line"]
        for key in ("startTime", "updateTime"):
            assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", body["ownerInfo"].pop(key))
            report["body"]["ownerInfo"].pop(key, None)
        assert body.pop("ownerKind") == "federatedlearningjob"  # upstream says "default", which its controller drops
        assert {k: v for k, v in report["body"].items() if k != "ownerKind"} == body


# FL-3.3
def test_every_recording_is_here() -> None:
    """18 traces; the rules' names are registered as they were."""
    assert len(TRACES) == 18
    assert all(ClassFactory.is_exists("aggregation", name) for name in ("FedAvg", "FedAvgV2", "MistNet"))
