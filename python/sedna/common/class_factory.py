"""The registry of algorithms by type and name: user code adds to it, jobs and configuration choose from it."""

from __future__ import annotations

import importlib
import inspect
from types import ModuleType
from typing import Any, Callable, Dict, Optional, TypeVar, Union

T = TypeVar("T")


class ClassType:
    """Type names of the registry; the values are part of the contract, spelling included."""

    GENERAL = "general"
    HEM = "hard_example_mining"
    FL_AGG = "aggregation"
    MTL = "multi_task_learening"
    UTD = "unseen_task_detect"
    OF = "optical_flow"
    ALGORITHM = "algorithm"
    DATASET = "data_process"
    CALLBACK = "post_process_callback"
    UTP = "unseen_task_processing"
    KM = "knowledge_management"
    STP = "seen_task_processing"


class ClassFactory:
    """Registers classes (or functions) under a type and a name. The last registration of a name wins."""

    __registry__: Dict[str, Dict[str, Any]] = {}

    @classmethod
    def register(cls, type_name: str = ClassType.GENERAL, alias: Optional[str] = None) -> Callable[[T], T]:
        """Decorator: ``@ClassFactory.register(ClassType.HEM, alias="MyFilter")``. The name is the class's without alias."""

        def wrapper(t_cls: T) -> T:
            cls.register_cls(t_cls, type_name, alias)
            return t_cls

        return wrapper

    @classmethod
    def register_cls(cls, t_cls: T, type_name: str = ClassType.GENERAL, alias: Optional[str] = None) -> T:
        """The same without a decorator; returns the class."""
        name = alias if alias is not None else getattr(t_cls, "__name__", None)
        if name is None:
            raise TypeError(f"{t_cls!r} has no __name__: register it with an alias")
        cls.__registry__.setdefault(type_name, {})[name] = t_cls
        return t_cls

    @classmethod
    def register_from_package(cls, package: Union[str, ModuleType], type_name: str = ClassType.GENERAL) -> None:
        """Registers every public class of a module (or of its name) under the class's own name."""
        module = importlib.import_module(package) if isinstance(package, str) else package
        for name, value in vars(module).items():
            if not name.startswith("_") and inspect.isclass(value):
                cls.register_cls(value, type_name)

    @classmethod
    def is_exists(cls, type_name: str, cls_name: Optional[str] = None) -> bool:
        """Whether the type (or the name within it) is registered."""
        entries = cls.__registry__.get(type_name)
        return entries is not None and (cls_name is None or cls_name in entries)

    @classmethod
    def get_cls(cls, type_name: str, t_cls_name: Optional[str] = None) -> Any:
        """The class registered under a name; ValueError names what is there when it is not."""
        if t_cls_name is None:
            raise ValueError(f"can't find class. class type={type_name}")
        if not cls.is_exists(type_name, t_cls_name):
            known = ", ".join(sorted(cls.__registry__.get(type_name, {}))) or "none"
            raise ValueError(
                f"can't find class type {type_name} class name {t_cls_name} in class registry (registered: {known})"
            )
        return cls.__registry__[type_name][t_cls_name]
