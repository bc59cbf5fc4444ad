"""Nothing of what was recorded of upstream is left out: the carried-over files hold as many answers as the recordings, and
each of their calls is one that a test replays."""

from __future__ import annotations

import collections
import json
import os
from pathlib import Path
from typing import Any, Dict, Set

import pytest
import test_vectors_config
import test_vectors_file_ops
from vectors import ROOT, VECTORS

GOLDEN = Path(os.environ.get("SEDNA_GOLDEN", ROOT.parent / "shared" / "golden")) / "lib"

# File here → recorded file, number of answers, and the calls that its test module replays (a trailing * : all that begin so).
FILES: Dict[str, Any] = {
    "context": ("Context", 45, {"get_parameters", "get_algorithm_from_api"}),
    "config_and_class_factory": ("Config_and_ClassFactory", 86, {*test_vectors_config.CHECKED, "BaseConfig()[item]",
                                 "BaseConfig().get(item)", "BaseConfig.item", "get_cls", "is_exists"}),
    "file_ops": ("FileOps_paths", 112, {
        *test_vectors_file_ops.PURE, "folders made", "download*", "upload*", "dump*", "load missing", "pickle string*",
        "make_dir", "make_base_dir", "delete*", "copy_file missing", "copy_folder missing"}),
    "bert_router": ("BertRouter", 67, {"construct", "threshold=*", "other labels", "other task", "what the classifier receives",
                                       "_preprocess"}),
    "backend_base": ("backend_base", 67, {
        "parse_kwargs*", "model_name", "model_info", "model_save_path default", "get_weights", "set_weights", "set_backend*",
        "train with*", "update with*"}),
    "txt_data_parse": ("TxtDataParse", 90, {
        "parse", "parse with func", "several files", "bytes not utf-8", "registered*", "no data_type", "BaseDataSource*"}),
    "csv_data_parse": ("CSVDataParse", 58, {"parse", "parse a row", "func drops*", "missing file", "no files", "parse_json"}),
    "json_data_parse": ("JSONDataParse", 3, {"parse", "initial", "JsonlDataParse, JSONMetaDataParse"}),
    "fed_avg": ("FedAvg", 62, {"aggregate*", "initial state"}),
    "json_data_parse_0_6": ("ianvs-0.6.0.1/JSONDataParse", 14, {"parse", "initial", "JsonlDataParse*", "JSONMetaDataParse"}),
}
HEM = {"Threshold": ("Threshold", 263), "CrossEntropy": ("CrossEntropy", 159), "IBT": ("IBT", 294), "Random": ("Random", 55),
       "CloudOnly": ("CloudOnly_EdgeOnly", 29), "EdgeOnly": ("CloudOnly_EdgeOnly", 29), "BertRouter": ("BertRouter", 67)}


def recorded(name: str) -> Any:
    path = GOLDEN / name
    if not path.is_file():
        pytest.skip("the recordings folder beside the repository is not there: counted against the known numbers only")
    return json.loads(path.read_text(encoding="utf-8"))


def carried(name: str) -> Any:
    return json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))


def covered(call: str, patterns: Set[str]) -> bool:
    return call in patterns or any(p.endswith("*") and call.startswith(p[:-1]) for p in patterns)


@pytest.mark.parametrize("name", FILES)
# JI-6.12
def test_every_vector_is_replayed(name: str) -> None:
    _, count, calls = FILES[name]
    rows = carried(name)["vectors"]
    assert len(rows) == count
    assert [r["call"] for r in rows if not covered(r["call"], calls)] == []


def hem_counts() -> Dict[str, int]:
    return {
        name: len(f.get("construct", [])) + sum(len(g["cases"]) for g in f.get("judge", [])) + len(f.get("seeded", []))
        + len(f.get("python", []))
        for name, f in carried("hem")["filters"].items()
    }


# JI-6.12
def test_every_filter_vector_is_there() -> None:
    assert hem_counts() == {name: count for name, (_, count) in HEM.items()}
    assert sum(hem_counts().values()) == 896


# JI-6.12
def test_every_trace_is_there() -> None:
    traces = carried("joint_inference")
    cases = [t["case"] for t in traces["edge"] + traces["server"]]
    assert len(cases) == len(set(cases)) == 35


@pytest.mark.parametrize("name", FILES)
# JI-6.12
def test_as_many_as_were_recorded(name: str) -> None:
    source, count, _ = FILES[name]
    assert len(recorded(f"algorithms/{source}.json")["vectors"]) == count


def test_as_many_filter_vectors_as_were_recorded() -> None:
    expected: Dict[str, int] = collections.Counter()
    for source, count in HEM.values():
        expected[source] += count
    for source, count in expected.items():
        assert len(recorded(f"algorithms/{source}.json")["vectors"]) == count, source


def test_the_traces_are_those_that_were_recorded() -> None:
    folder = GOLDEN / "joint_inference"
    if not folder.is_dir():
        pytest.skip("the recordings folder beside the repository is not there: counted against the known numbers only")
    traces = carried("joint_inference")
    assert {t["case"] for t in traces["edge"] + traces["server"]} == {p.stem for p in folder.glob("*.json")}
