"""Index files as arrays of samples: one file a line or a row a sample."""

from __future__ import annotations

import json
import os
from abc import ABC
from typing import Any, Callable, Dict, List, Optional, Union

import numpy as np

from sedna.common.class_factory import ClassFactory, ClassType
from sedna.common.file_ops import FileOps

__all__ = (
    "BaseDataSource",
    "CSVDataParse",
    "IndexDataParse",
    "JSONDataParse",
    "JSONMetaDataParse",
    "JsonlDataParse",
    "TxtDataParse",
)


class BaseDataSource:
    """Samples ``x``, labels ``y``, and what else is known of them (``meta_attr``). Instances are pickled by jobs."""

    def __init__(self, data_type: str = "train", func: Optional[Union[str, Callable[..., Any]]] = None) -> None:
        self.data_type = data_type
        self.process_func: Optional[Callable[..., Any]] = None
        if callable(func):
            self.process_func = func
        elif func:
            self.process_func = ClassFactory.get_cls(ClassType.CALLBACK, func)()
        self.x: Any = None
        self.y: Any = None
        self.meta_attr: Any = None

    def num_examples(self) -> int:
        """How many samples there are."""
        return len(self.x)

    def __len__(self) -> int:
        return self.num_examples()

    def parse(self, *args: Any, **kwargs: Any) -> None:
        """Reads the sources; each kind of file has its own."""
        raise NotImplementedError

    @property
    def is_test_data(self) -> bool:
        """Test data have no labels."""
        return self.data_type == "test"

    def save(self, output: str = "") -> str:
        """Pickles this object to ``output`` (local or remote); returns where it is."""
        return FileOps.dump(self, output or None)


class TxtDataParse(BaseDataSource, ABC):
    """One sample a line: ``path label``, or what ``func(line)`` makes of it."""

    def __init__(self, data_type: str, func: Optional[Union[str, Callable[..., Any]]] = None) -> None:
        super().__init__(data_type=data_type, func=func)

    def parse(self, *args: Any, **kwargs: Any) -> None:
        """Reads files in order. ``use_raw`` keeps everything that stands on a line, and no label."""
        use_raw = kwargs.get("use_raw")
        x: List[Any] = []
        y: List[Any] = []
        for name in args:
            if not (name and os.path.exists(name)):
                continue
            with open(name, encoding="utf-8") as file:
                for line in file:
                    text = line.strip()
                    if not text:
                        continue
                    parts = self.process_func(text) if self.process_func else text.split()
                    if not len(parts):
                        continue
                    if use_raw:
                        x.append(parts)
                        continue
                    x.append(parts[0])
                    if not self.is_test_data:
                        y.append(parts[1] if len(parts) > 1 else 0)
        self.x = _array(x)
        self.y = _array(y)


class IndexDataParse(BaseDataSource, ABC):
    """One sample a line: the path of an image, then the path of its label, both beside the index file when relative."""

    def __init__(self, data_type: str, func: Optional[Union[str, Callable[..., Any]]] = None) -> None:
        super().__init__(data_type=data_type, func=func)

    def parse(self, *args: Any, **kwargs: Any) -> None:
        """Reads index files in order; ``func(line)`` makes ``(x, y)`` of a line where given."""
        x: List[Any] = []
        y: List[Any] = []
        for name in args:
            if not (name and os.path.exists(name)):
                continue
            folder = os.path.dirname(os.path.abspath(name))
            with open(name, encoding="utf-8") as file:
                for line in file:
                    text = line.strip()
                    if not text:
                        continue
                    parts = self.process_func(text) if self.process_func else [
                        part if os.path.isabs(part) else os.path.join(folder, part) for part in text.split()
                    ]
                    x.append(parts[0])
                    if not self.is_test_data:
                        y.append(parts[1] if len(parts) > 1 else 0)
        self.x = _array(x)
        self.y = _array(y)


class CSVDataParse(BaseDataSource, ABC):
    """Rows of comma-separated files (read by pandas, which is imported on first use) with a column of labels."""

    def __init__(self, data_type: str, func: Optional[Union[str, Callable[..., Any]]] = None) -> None:
        super().__init__(data_type=data_type, func=func)

    @staticmethod
    def parse_json(lines: Dict[str, Any], **kwargs: Any) -> Any:
        """One row, given as a dictionary."""
        return _pandas().DataFrame([lines])

    def parse(self, *args: Any, **kwargs: Any) -> None:
        """Reads files (or single rows as dictionaries). ``label`` names the column of labels, ``usecols`` the columns to
        read (a list, or names joined by commas); other arguments go to ``pandas.read_csv``."""
        label = kwargs.pop("label", "")
        usecols = kwargs.get("usecols", "")
        if isinstance(usecols, str):
            usecols = usecols.split(",") if usecols else []
        if usecols:
            if label and label not in usecols:
                usecols = [*usecols, label]
            kwargs["usecols"] = usecols
        else:
            kwargs.pop("usecols", None)
        frames: List[Any] = []
        labels: List[Any] = []
        for source in args:
            if isinstance(source, dict) and source:
                frame = self.parse_json(source, **kwargs)
            elif isinstance(source, str) and os.path.isfile(source):
                frame = _pandas().read_csv(source, **kwargs)
            else:
                continue
            if self.process_func:
                frame = self.process_func(frame)
            if label:
                if label not in frame.columns:
                    continue
                labels.append(frame[label])
                frame = frame.drop(label, axis=1)
            frames.append(frame)
        if not frames:
            return
        pandas = _pandas()
        self.x = pandas.concat(frames)
        if labels:
            self.y = pandas.concat(labels)


class JsonlDataParse(BaseDataSource, ABC):
    """One JSON object a line, with ``question`` and ``answer``."""

    def __init__(self, data_type: str, func: Optional[Union[str, Callable[..., Any]]] = None) -> None:
        super().__init__(data_type=data_type, func=func)

    def parse(self, *args: Any, **kwargs: Any) -> None:
        """Reads files in order."""
        x: List[Any] = []
        y: List[Any] = []
        for name in args:
            if not (name and os.path.exists(name)):
                continue
            with open(name, encoding="utf-8") as file:
                for line in file:
                    entry = json.loads(line)
                    x.append(entry["question"])
                    y.append(entry["answer"])
        self.x = _array(x)
        self.y = _array(y)


class JSONMetaDataParse(BaseDataSource, ABC):
    """A benchmark of prompts: a metadata file, and beside it a data file with one query and response a line."""

    def __init__(self, data_type: str, func: Optional[Union[str, Callable[..., Any]]] = None) -> None:
        super().__init__(data_type=data_type, func=func)
        self.need_other_info = True

    def parse(self, *args: Any, **kwargs: Any) -> None:
        """Takes the metadata file and the data file (JSON lines, or a JSON list), in that order."""
        if len(args) < 2:
            raise ValueError("JSONMetaDataParse.parse takes the metadata file and the data file")
        with open(args[0], encoding="utf-8") as file:
            meta = json.load(file)
        self.dataset_name = meta["dataset"]
        self.description = meta["description"]
        self.level_1_dim = meta["level_1_dim"]
        self.level_2_dim = meta["level_2_dim"]
        for level in ("level_3_dim", "level_4_dim"):
            if level in meta:
                setattr(self, level, meta[level])
        entries = _json_entries(args[1])
        self.x = _array([e.get("prompt", "") + e["query"] for e in entries])
        self.y = _array([e["response"] for e in entries])
        self.explanation = _array([e.get("explanation", "") for e in entries])
        self.judge_prompts = _array([e.get("judge_prompt", "") for e in entries])
        self.level_3 = _array([e["level_3_dim"] for e in entries])
        self.level_4 = _array([e["level_4_dim"] for e in entries])


class JSONDataParse(BaseDataSource, ABC):
    """COCO or MOT annotations: images as samples, boxes as labels. Upstream's raises NameError; this one reads."""

    def __init__(self, data_type: str, func: Optional[Union[str, Callable[..., Any]]] = None) -> None:
        super().__init__(data_type=data_type, func=func)
        self.data_dir: Optional[str] = None
        self.ids: List[Any] = []
        self.class_ids: List[Any] = []
        self.annotations: List[Any] = []
        self._images: Dict[Any, Dict[str, Any]] = {}
        self._boxes: Dict[Any, List[Dict[str, Any]]] = {}

    def parse(self, *args: Any, **kwargs: Any) -> None:
        """Reads annotation files: ``x`` becomes image file names, ``y`` arrays ``[n, 5]`` of x1, y1, x2, y2, class index."""
        names: List[str] = []
        for source in args:
            if not (source and os.path.exists(source)):
                continue
            with open(source, encoding="utf-8") as file:
                data = json.load(file)
            self.data_dir = self.data_dir or os.path.dirname(os.path.abspath(source))
            self.class_ids = sorted({c["id"] for c in data.get("categories", [])} | set(self.class_ids))
            for image in data["images"]:
                self._images[image["id"]] = image
                self.ids.append(image["id"])
                names.append(image["file_name"])
            for box in data.get("annotations", []):
                self._boxes.setdefault(box["image_id"], []).append(box)
        self.annotations = [self.load_anno_from_ids(i) for i in self.ids]
        self.x = _array(names)
        boxes: Any = np.empty(len(self.annotations), dtype=object)
        boxes[:] = self.annotations
        self.y = boxes

    def load_anno_from_ids(self, id_: Any) -> Any:
        """The boxes of one image, clipped to it; boxes without area are left out."""
        image = self._images[id_]
        width, height = image.get("width", np.inf), image.get("height", np.inf)
        rows: List[List[float]] = []
        for box in self._boxes.get(id_, []):
            left, top, w, h = box["bbox"]
            x1, y1 = max(0.0, left), max(0.0, top)
            x2, y2 = min(width, left + max(0.0, w)), min(height, top + max(0.0, h))
            if x2 > x1 and y2 > y1:
                rows.append([x1, y1, x2, y2, float(self.class_ids.index(box["category_id"]))])
        return np.asarray(rows, dtype=float).reshape(-1, 5)


def _json_entries(path: str) -> List[Dict[str, Any]]:
    with open(path, encoding="utf-8") as file:
        text = file.read()
    if text.lstrip().startswith("["):
        return json.loads(text)  # type: ignore[no-any-return]
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def _array(values: List[Any]) -> Any:
    """``np.array`` as numpy 1 made it of ragged lists too: rows of unequal length become an array of objects."""
    try:
        return np.array(values)
    except ValueError:
        result: Any = np.empty(len(values), dtype=object)
        for i, value in enumerate(values):
            result[i] = value
        return result


def _pandas() -> Any:
    try:
        import pandas
    except ImportError as error:
        raise ImportError("CSVDataParse gives pandas objects, as upstream's: pip install pandas") from error
    return pandas
