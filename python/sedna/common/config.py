"""What a worker is told: environment variables, and configuration files for those who like them.

``BaseConfig`` and ``Context`` read the environment when asked, never at import, so a script (or a benchmark that runs
many jobs in one process) may set variables after importing the package.
"""

from __future__ import annotations

import copy
import json
import logging
import os
import runpy
from typing import Any, Dict, List, Mapping, MutableMapping, Optional, Set, Tuple, Type, TypeVar

__all__ = ("BaseConfig", "Config", "ConfigSerializable", "Context")

C = TypeVar("C", bound="ConfigSerializable")


class Config(Dict[str, Any]):
    """A dictionary whose keys are attributes too, nested; made from a mapping, a .yaml, .json or .py file, or JSON text."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        for arg in args:
            if isinstance(arg, str):
                self._merge(_read_config(arg))
            elif isinstance(arg, Mapping):
                self._merge(arg)
            else:
                raise TypeError("args is not dict or str")
        self._merge(kwargs)

    def __call__(self, *args: Any, **kwargs: Any) -> Config:
        """Merges more into the same object."""
        self._merge(Config(*args, **kwargs))
        return self

    def _merge(self, values: Mapping[Any, Any]) -> None:
        for key, value in values.items():
            self[key] = Config(value) if isinstance(value, dict) and not isinstance(value, Config) else value

    def __getattr__(self, key: str) -> Any:
        try:
            return self[key]
        except KeyError:
            raise AttributeError(key) from None

    def __setattr__(self, key: str, value: Any) -> None:
        self[key] = Config(value) if isinstance(value, dict) and not isinstance(value, Config) else value

    def __delattr__(self, key: str) -> None:
        try:
            del self[key]
        except KeyError:
            raise AttributeError(key) from None

    def __deepcopy__(self, memo: Dict[int, Any]) -> Config:
        return Config(copy.deepcopy(dict(self), memo))

    def __reduce__(self) -> Tuple[Any, ...]:
        return (Config, (dict(self),))


def _read_config(source: str) -> Mapping[str, Any]:
    extension = os.path.splitext(source)[1].lower()
    if extension in (".yaml", ".yml"):
        return _read_yaml(source)
    if extension == ".json":
        with open(source, encoding="utf-8") as file:
            return _mapping(json.load(file), source)
    if extension == ".py":
        # A configuration written in Python is the user's own program, run like one.
        return {k: v for k, v in runpy.run_path(source).items() if not k.startswith("__")}
    try:
        return _mapping(json.loads(source), "the text")
    except ValueError:
        raise Exception("config file must be yaml or py, or JSON text") from None


def _read_yaml(path: str) -> Mapping[str, Any]:
    try:
        import yaml
    except ImportError as error:
        raise ImportError(f"{path} is YAML, and reading it needs PyYAML: pip install pyyaml") from error
    with open(path, encoding="utf-8") as file:
        return _mapping(yaml.safe_load(file), path)


def _mapping(value: Any, source: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError(f"{source}: a mapping is expected, not {type(value).__name__}")
    return value


class _Env:
    """A class attribute that is an environment variable. Assigning to the instance (or the class) replaces it there."""

    def __init__(self, variable: str, default: Optional[str] = None) -> None:
        self.variable = variable
        self.default = default

    def __get__(self, instance: Any, owner: Optional[type] = None) -> Any:
        return os.environ.get(self.variable, self.default)


class _Parameter:
    """PARAMETERS (a configuration file or JSON text) as a mapping; an AttributeError while it is not set, as upstream."""

    def __get__(self, instance: Any, owner: Optional[type] = None) -> Any:
        text = os.environ.get("PARAMETERS")
        if not text:
            raise AttributeError("parameter: PARAMETERS is not set")
        return Config(text)


class ConfigSerializable:
    """Item, attribute and dictionary access to the public attributes of a class and its instance."""

    def _names(self) -> List[str]:
        names: Set[str] = set()
        for owner in type(self).__mro__:
            names.update(k for k, v in vars(owner).items() if isinstance(v, _Env) or not callable(v))
        names.update(vars(self))
        return sorted(n for n in names if not n.startswith("_") and hasattr(self, n)
                      and not callable(getattr(type(self), n, None)))

    def update(self, **kwargs: Any) -> None:
        """Replaces attributes that exist; others are ignored."""
        for key, value in kwargs.items():
            if hasattr(self, key):
                setattr(self, key, value)

    def to_json(self) -> Dict[str, Any]:
        """The public attributes and their values now."""
        return {name: getattr(self, name) for name in self._names()}

    def dict(self) -> MutableMapping[str, Any]:
        """As to_json()."""
        return self.to_json()

    def __getitem__(self, item: str) -> Any:
        return getattr(self, item, None)

    def get(self, item: str, default: Any = "") -> Any:
        """The attribute, or the default when it is missing, empty or None."""
        return getattr(self, item, None) or default

    @classmethod
    def from_json(cls: Type[C], data: Mapping[str, Any]) -> C:
        """An object with these attributes set on it (upstream sets them on the class, for the whole process)."""
        config = cls()
        for key, value in data.items():
            setattr(config, key, value)
        return config


class BaseConfig(ConfigSerializable):
    """The environment of a worker. ``BaseConfig.lc_server`` reads LC_SERVER each time; ``BaseConfig()`` is one object."""

    _instance: Optional[BaseConfig] = None

    device_category = _Env("DEVICE_CATEGORY", "CPU")
    backend_type = _Env("BACKEND_TYPE", "TENSORFLOW")
    lc_server = _Env("LC_SERVER", "http://127.0.0.1:9100")
    original_dataset_url = _Env("ORIGINAL_DATASET_URL")
    train_dataset_url = _Env("TRAIN_DATASET_URL")
    test_dataset_url = _Env("TEST_DATASET_URL")
    data_path_prefix = _Env("DATA_PATH_PREFIX", "/home/data")
    namespace = _Env("NAMESPACE", "")
    worker_name = _Env("WORKER_NAME", "")
    service_name = _Env("SERVICE_NAME", "")
    job_name = _Env("JOB_NAME", "sedna")
    pretrained_model_url = _Env("PRETRAINED_MODEL_URL", "./")
    model_url = _Env("MODEL_URL")
    model_name = _Env("MODEL_NAME")
    log_level = _Env("LOG_LEVEL", "INFO")
    transmitter = _Env("TRANSMITTER", "ws")
    agg_data_path = _Env("AGG_DATA_PATH", "./")
    s3_endpoint_url = _Env("S3_ENDPOINT_URL", "")
    access_key_id = _Env("ACCESS_KEY_ID", "")
    secret_access_key = _Env("SECRET_ACCESS_KEY", "")
    parameters = _Env("PARAMETERS")
    parameter = _Parameter()

    def __new__(cls, *args: Any, **kwargs: Any) -> BaseConfig:
        if cls is not BaseConfig:
            return super().__new__(cls)
        if BaseConfig._instance is None:
            BaseConfig._instance = super().__new__(cls)
        return BaseConfig._instance


class Context:
    """Parameters of a job, as the environment has them."""

    parameters: MutableMapping[str, str] = os.environ

    @classmethod
    def get_parameters(cls, param: str, default: Any = None) -> Any:
        """The variable of that name, else of the name in upper case; empty counts as missing."""
        value = cls.parameters.get(param) or cls.parameters.get(str(param).upper())
        return value if value else default

    @classmethod
    def get_algorithm_from_api(cls, algorithm: str, **param: Any) -> Dict[str, Any]:
        """``{"method": <ALGORITHM>_NAME, "param": {…}}`` from the resource's parameters, which ``param`` overrides.

        Empty when no algorithm is named. Parameters that cannot be read are left out as a whole, with a warning.
        """
        name = cls.get_parameters(f"{algorithm}_NAME")
        if not name:
            return {}
        values: Dict[Any, Any] = {}
        text = cls.get_parameters(f"{algorithm}_PARAMETERS")
        if text:
            try:
                entries = json.loads(text) or []  # GlobalManagers write "null" for none
                if not isinstance(entries, list):
                    raise TypeError("not a list")
                values = {e["key"]: e.get("value", "") for e in entries if e.get("key")}
            except (ValueError, TypeError, AttributeError) as error:
                logging.getLogger(BaseConfig.job_name).warning(
                    "%s_PARAMETERS is not a JSON list of {key, value} and is ignored: %s", algorithm.upper(), error
                )
        values.update(param)
        return {"method": name, "param": values}
