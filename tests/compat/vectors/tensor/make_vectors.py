"""Writes the tensor vectors beside this file: requests of a stock tritonclient, files of a stock numpy.

Run with the project's virtual environment (numpy, tritonclient[http]); no server is needed. The results are committed,
so that the unit tests need neither.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import tritonclient.http as http

HERE = Path(__file__).parent


def tensor(name: str, array: Any, datatype: str, binary: bool = True) -> http.InferInput:
    """An input of the stock client."""
    result = http.InferInput(name, list(array.shape), datatype)
    result.set_data_from_numpy(array, binary_data=binary)
    return result


def request(inputs: list[http.InferInput], **arguments: Any) -> dict[str, Any]:
    """Body and header length as the stock client makes them."""
    body, header_length = http.InferenceServerClient.generate_request_body(inputs, **arguments)
    if isinstance(body, str):
        body = body.encode()
    return {"header_length": header_length, "body": body.hex()}


def oip_requests() -> dict[str, Any]:
    """Requests that cover what the client can vary."""
    x = np.array([[1, 2.5]], np.float32)
    s = np.array([b"ab", b"cde"], object)
    wanted = [http.InferRequestedOutput("y", binary_data=True),
              http.InferRequestedOutput("z", binary_data=False, class_count=3)]
    return {
        "binary": request([tensor("x", x, "FP32")]),
        "all_fields": request([tensor("x", x, "FP32"), tensor("s", s, "BYTES")], outputs=wanted, request_id="7",
                              priority=1, timeout=5000, parameters={"k": "v", "f": 1.5, "b": True}),
        "json": request([tensor("x", np.array([[1, 2], [3, 4]], np.int64), "INT64", binary=False)],
                        outputs=[http.InferRequestedOutput("y", binary_data=False)]),
        "json_floats": request([tensor("x", np.array([1, 0.1], np.float32), "FP32", binary=False)]),
        "json_strings_and_bools": request([tensor("s", np.array([b"ab", b"c\"e"], object), "BYTES", binary=False),
                                           tensor("b", np.array([True, False]), "BOOL", binary=False)]),
        "mixed": request([tensor("s", np.array([b"ab"], object), "BYTES", binary=False), tensor("x", x, "FP32")]),
        "empty": request([tensor("e", np.zeros((0, 3), np.uint8), "UINT8")]),
        "half": request([tensor("h", np.array([1.5, -2], np.float16), "FP16")]),
        "sequence": request([tensor("x", x, "FP32")], sequence_id=5, sequence_start=True),
    }


def main() -> None:
    """Writes all vectors."""
    (HERE / "oip_requests.json").write_text(json.dumps(oip_requests(), indent=1) + "\n")
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.savez(HERE / "stored.npz", x=x, y=np.array([7, 300], np.int64))
    np.savez_compressed(HERE / "deflated.npz", x=np.tile(x, (20, 1)), strings=np.array(["ab", "é中😀", ""]),
                        raw=np.array([b"ab", b"c"]), fortran=np.asfortranarray(x), big_endian=np.array([1, -2], ">i4"),
                        bools=np.array([True, False]), scalar=np.float64(2.5), empty=np.zeros((2, 0, 3), np.uint8))
    np.savez(HERE / "pickled.npz", x=np.array([{}], dtype=object))
    np.save(HERE / "structured.npy", np.zeros(2, dtype=[("a", "<i4")]))
    np.save(HERE / "complex.npy", np.zeros(2, np.complex64))
    np.save(HERE / "plain.npy", np.array([[1, 2], [3, 4]], np.uint16))


if __name__ == "__main__":
    main()
