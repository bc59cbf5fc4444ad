"""What the second interface's estimators can do, behind one face: hooks of the user's own, Keras and PyTorch models.

Upstream hands ``estimator.model`` and ``estimator.hyperparameters`` to plato's trainers. Here, in this order:

1. an estimator with ``get_weights``, ``set_weights`` and ``train(train_data, valid_data=None)``: those are called;
2. ``estimator.model`` (an object, or a class that makes one): the same methods, a compiled Keras model, or a
   ``torch.nn.Module``;
3. a class registered as ``hyperparameters["type"]`` or ``["model_name"]``
   (``@ClassFactory.register(ClassType.GENERAL, alias="yolov5")``), made with the hyperparameters where it takes them.

For MistNet further: ``extract_features(data, cut_layer)`` gives features, or (features, targets…), of the layers up to the
cut; ``train((features, targets…), valid_data=…, cut_layer=…)`` trains the rest. Keras and PyTorch models that are a
sequence of layers are cut here; plato's ``forward_to(x, cut_layer)`` and ``forward_from(x, cut_layer)`` are used where a
PyTorch model has them.
"""

from __future__ import annotations

import inspect
import os
from typing import Any, Dict, Iterable, List, Optional, Tuple

from sedna.common.class_factory import ClassFactory, ClassType

__all__ = ("Trainer", "make_trainer", "source_of")


class Source:
    """Training and test data, as upstream's scripts give them."""

    def __init__(self, trainset: Any = None, testset: Any = None) -> None:
        self.trainset = trainset
        self.testset = testset


def source_of(data: Any) -> Source:
    """``data`` with ``trainset`` and ``testset`` (``customized``), or ``parameters`` that name a registered data source."""
    if data is None:
        return Source()
    if getattr(data, "customized", False) or hasattr(data, "trainset"):
        return Source(data.trainset, getattr(data, "testset", None))
    parameters = getattr(data, "parameters", None)
    if not isinstance(parameters, dict):
        return Source(data)
    name = parameters.get("datasource")
    if not ClassFactory.is_exists(ClassType.GENERAL, name):
        raise ValueError(
            f"the data source {name!r} is one of plato's, which this build does not use: give the data a trainset and a "
            f"testset with customized = True, or register a class with @ClassFactory.register(ClassType.GENERAL, "
            f"alias={name!r}) that has them"
        )
    made = _make(ClassFactory.get_cls(ClassType.GENERAL, name), parameters)
    return Source(getattr(made, "trainset", None), getattr(made, "testset", None))


def make_trainer(estimator: Any) -> Trainer:
    """See the module. ValueError says what an estimator lacks."""
    hyper: Dict[str, Any] = dict(getattr(estimator, "hyperparameters", None) or {})
    if _has_hooks(estimator):
        return Trainer(estimator, hyper)
    model = getattr(estimator, "model", None)
    if inspect.isclass(model):
        model = model()
    if model is not None:
        if all(callable(getattr(model, name, None)) for name in ("fit", "get_weights", "set_weights", "evaluate")):
            return KerasTrainer(model, hyper)
        if any(c.__module__.startswith("torch.") and c.__name__ == "Module" for c in type(model).__mro__):
            return TorchTrainer(model, hyper)
        if _has_hooks(model):
            return Trainer(model, hyper)
        raise ValueError(
            f"the estimator's model is a {type(model).__name__}, which is none of Keras' or PyTorch's and has not "
            "get_weights, set_weights and train"
        )
    names = [hyper[key] for key in ("type", "model_name") if hyper.get(key)]
    for name in names:
        if ClassFactory.is_exists(ClassType.GENERAL, name):
            return Trainer(_make(ClassFactory.get_cls(ClassType.GENERAL, name), hyper), hyper)
    raise ValueError(
        f"the estimator has neither a model nor get_weights, set_weights and train; its hyperparameters name {names}, "
        "plato's, which this build does not use: register a class of that name with "
        "@ClassFactory.register(ClassType.GENERAL, alias=…)"
    )


class Trainer:
    """Methods of the user's own."""

    def __init__(self, model: Any, hyper: Dict[str, Any]) -> None:
        self.model = model
        self.hyper = hyper

    def get_weights(self) -> List[Any]:
        """The whole model, array by array."""
        return list(self.model.get_weights())

    def set_weights(self, weights: List[Any]) -> None:
        """The whole model."""
        self.model.set_weights(weights)

    def train(self, train_data: Any, valid_data: Any = None, policy: Any = None) -> Dict[str, Any]:
        """One round at a client; numbers of it, where there are any."""
        given = {"policy": policy} if policy is not None else {}
        result = _call(self.model.train, train_data, valid_data=valid_data, **given)
        return {**(result if isinstance(result, dict) else {}), **self._evaluate(valid_data)}

    @property
    def takes_policy(self) -> bool:
        """Whether train() lets an algorithm act between two steps."""
        return "policy" in inspect.signature(self.model.train).parameters

    def save(self, path: str) -> None:
        """The model, where it can be saved."""
        save = getattr(self.model, "save", None)
        if callable(save):
            save(path)

    def samples(self, data: Any) -> int:
        """How many there are."""
        return len(data)

    def extract_features(self, data: Any, cut_layer: Any) -> Tuple[Any, ...]:
        """What the layers up to the cut give for each sample, and the samples' targets."""
        extract = getattr(self.model, "extract_features", None)
        if not callable(extract):
            raise ValueError(f"MistNet needs {type(self.model).__name__}.extract_features(data, cut_layer)")
        result = extract(data, cut_layer)
        return tuple(result) if isinstance(result, (tuple, list)) else (result,)

    def train_features(self, features: Any, targets: Tuple[Any, ...], cut_layer: Any, valid_data: Any) -> Dict[str, Any]:
        """Trains the layers behind the cut."""
        result = _call(self.model.train, (features, *targets), valid_data=valid_data, cut_layer=cut_layer)
        return {**(result if isinstance(result, dict) else {}), **self._evaluate(valid_data)}

    def _evaluate(self, valid_data: Any) -> Dict[str, Any]:
        evaluate = getattr(self.model, "evaluate", None)
        if valid_data is None or not callable(evaluate):
            return {}
        result = evaluate(valid_data)
        if isinstance(result, dict):
            return result
        return {"accuracy": float(result)} if isinstance(result, (int, float)) else {}

    def _number(self, name: str, default: Any) -> Any:
        value = self.hyper.get(name, default)
        return default if value is None else type(default)(value)


class KerasTrainer(Trainer):
    """A compiled Keras model. Data: a ``tf.data.Dataset`` (batched), or (x, y)."""

    def train(self, train_data: Any, valid_data: Any = None, policy: Any = None) -> Dict[str, Any]:
        history = self._fit(self.model, train_data)
        return {**history, **self._evaluate(valid_data)}

    @property
    def takes_policy(self) -> bool:
        return False

    def save(self, path: str) -> None:
        # Keras writes files of its own endings only; weights of any other name are all that is asked for here.
        self.model.save(path) if path.endswith((".keras", ".h5")) else self.model.save_weights(path + ".weights.h5")

    def samples(self, data: Any) -> int:
        if isinstance(data, (tuple, list)):
            return len(data[0])
        unbatch = getattr(data, "unbatch", None)
        return sum(1 for _ in unbatch()) if callable(unbatch) else len(data)

    def extract_features(self, data: Any, cut_layer: Any) -> Tuple[Any, ...]:
        import numpy as np

        front = self.model.layers[: self._cut(cut_layer) + 1]
        features, targets = [], []
        for x, y in _batches(data, self._number("batch_size", 32)):
            for layer in front:
                x = layer(x, training=False) if _takes(layer.call, "training") else layer(x)
            features.append(np.asarray(x, "float32"))
            targets.append(np.asarray(y))
        return np.concatenate(features), np.concatenate(targets)

    def train_features(self, features: Any, targets: Tuple[Any, ...], cut_layer: Any, valid_data: Any) -> Dict[str, Any]:
        layers = self.model.layers[self._cut(cut_layer) + 1 :]
        rest = type(self.model)(layers)  # the layers themselves: what they learn is the model's
        optimizer = type(self.model.optimizer).from_config(self.model.optimizer.get_config())
        rest.compile(optimizer=optimizer, loss=self.model.loss)
        history = self._fit(rest, (features, targets[0]))
        return {**history, **self._evaluate(valid_data)}

    def _fit(self, model: Any, data: Any) -> Dict[str, Any]:
        epochs = self._number("epochs", 1)
        if isinstance(data, (tuple, list)):
            history = model.fit(data[0], data[1], epochs=epochs, batch_size=self._number("batch_size", 32), verbose=0)
        else:
            history = model.fit(data, epochs=epochs, verbose=0)
        return {name: [float(v) for v in values] for name, values in history.history.items()}

    def _evaluate(self, valid_data: Any) -> Dict[str, Any]:
        if valid_data is None:
            return {}
        given = tuple(valid_data[:2]) if isinstance(valid_data, (tuple, list)) else (valid_data,)
        result = self.model.evaluate(*given, verbose=0, return_dict=True)
        return {("test_loss" if name == "loss" else name): float(value) for name, value in result.items()}

    def _cut(self, cut_layer: Any) -> int:
        if type(self.model).__name__ != "Sequential":
            raise ValueError(
                f"a Keras {type(self.model).__name__} cannot be cut here, only a Sequential: give the estimator "
                "extract_features(data, cut_layer) and train(data, cut_layer=…)"
            )
        return _index_of(cut_layer, [layer.name for layer in self.model.layers])


class TorchTrainer(Trainer):
    """A ``torch.nn.Module``, trained as plato's basic trainer does: cross entropy (``loss_criterion``: MSELoss, … of
    torch.nn), an optimizer of torch.optim by name, ``batch_size``, ``epochs``, ``learning_rate``, ``momentum``,
    ``weight_decay``. Data: a Dataset of (x, y), or two arrays."""

    def get_weights(self) -> List[Any]:
        return [tensor.detach().cpu().numpy() for tensor in self.model.state_dict().values()]

    def set_weights(self, weights: List[Any]) -> None:
        import numpy as np
        import torch

        state = self.model.state_dict()
        if len(state) != len(weights):
            raise ValueError(f"the model has {len(state)} tensors, {len(weights)} came")
        new = {name: torch.from_numpy(np.array(w)).to(old.dtype) for (name, old), w in zip(state.items(), weights)}
        self.model.load_state_dict(new)

    def train(self, train_data: Any, valid_data: Any = None, policy: Any = None) -> Dict[str, Any]:
        losses = self._steps(_dataset(train_data), self.model, list(self.model.parameters()))
        return {"loss": losses, **self._evaluate(valid_data)}

    @property
    def takes_policy(self) -> bool:
        return False

    def save(self, path: str) -> None:
        import torch

        torch.save(self.model.state_dict(), path)

    def samples(self, data: Any) -> int:
        return len(_dataset(data))

    def extract_features(self, data: Any, cut_layer: Any) -> Tuple[Any, ...]:
        import numpy as np
        import torch

        front = self._front(cut_layer)
        self.model.eval()
        features, targets = [], []
        with torch.no_grad():
            for x, y in self._loader(_dataset(data), shuffle=False):
                features.append(front(x).cpu().numpy())
                targets.append(y.cpu().numpy())
        return np.concatenate(features), np.concatenate(targets)

    def train_features(self, features: Any, targets: Tuple[Any, ...], cut_layer: Any, valid_data: Any) -> Dict[str, Any]:
        rest, parameters = self._rest(cut_layer)
        losses = self._steps(_dataset((features, targets[0])), rest, parameters)
        return {"loss": losses, **self._evaluate(valid_data)}

    def _front(self, cut_layer: Any) -> Any:
        forward_to = getattr(self.model, "forward_to", None)
        if callable(forward_to):
            return lambda x: forward_to(x, cut_layer)
        return self._sequence()[: self._cut(cut_layer) + 1]

    def _rest(self, cut_layer: Any) -> Tuple[Any, List[Any]]:
        forward_from = getattr(self.model, "forward_from", None)
        if callable(forward_from):  # which parameters lie behind its cut, only the gradients know
            return (lambda x: forward_from(x, cut_layer)), list(self.model.parameters())
        rest = self._sequence()[self._cut(cut_layer) + 1 :]
        return rest, list(rest.parameters())

    def _sequence(self) -> Any:
        import torch

        if not isinstance(self.model, torch.nn.Sequential):
            raise ValueError(
                f"{type(self.model).__name__} cannot be cut here: make it a torch.nn.Sequential, or give it "
                "forward_to(x, cut_layer) and forward_from(x, cut_layer)"
            )
        return self.model

    def _cut(self, cut_layer: Any) -> int:
        return _index_of(cut_layer, [name for name, _ in self.model.named_children()])

    def _loader(self, dataset: Any, shuffle: bool) -> Any:
        import torch

        return torch.utils.data.DataLoader(dataset, batch_size=self._number("batch_size", 32), shuffle=shuffle)

    def _steps(self, dataset: Any, forward: Any, parameters: List[Any]) -> List[float]:
        import torch

        criterion = getattr(torch.nn, str(self.hyper.get("loss_criterion", "CrossEntropyLoss")))()
        options: Dict[str, Any] = {"lr": self._number("learning_rate", 0.01)}
        options.update({key: float(self.hyper[key]) for key in ("momentum", "weight_decay") if key in self.hyper})
        optimizer = getattr(torch.optim, str(self.hyper.get("optimizer", "SGD")))(parameters, **options)
        self.model.train()
        losses = []
        for _ in range(self._number("epochs", 1)):
            total, count = 0.0, 0
            for x, y in self._loader(dataset, shuffle=True):
                optimizer.zero_grad()
                loss = criterion(forward(x), y)
                loss.backward()
                optimizer.step()
                total, count = total + float(loss.detach()) * len(y), count + len(y)
            losses.append(total / max(count, 1))
        return losses

    def _evaluate(self, valid_data: Any) -> Dict[str, Any]:
        import torch

        if valid_data is None or str(self.hyper.get("loss_criterion", "CrossEntropyLoss")) != "CrossEntropyLoss":
            return {}
        self.model.eval()
        right, count = 0, 0
        with torch.no_grad():
            for x, y in self._loader(_dataset(valid_data), shuffle=False):
                right, count = right + int((self.model(x).argmax(1) == y).sum()), count + len(y)
        return {"accuracy": right / max(count, 1)}


def _has_hooks(model: Any) -> bool:
    return all(callable(getattr(model, name, None)) for name in ("get_weights", "set_weights", "train"))


def _make(cls: Any, parameters: Dict[str, Any]) -> Any:
    """With the parameters as one argument where the class takes one, else with nothing."""
    try:
        takes = [p for p in inspect.signature(cls).parameters.values()
                 if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    except (TypeError, ValueError):
        takes = []
    return cls(parameters) if takes else cls()


def _takes(function: Any, name: str) -> bool:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    return any(p.name == name or p.kind is p.VAR_KEYWORD for p in parameters)


def _call(function: Any, *args: Any, **kwargs: Any) -> Any:
    return function(*args, **{key: value for key, value in kwargs.items() if _takes(function, key)})


def _index_of(cut_layer: Any, names: List[str]) -> int:
    if isinstance(cut_layer, int) and not isinstance(cut_layer, bool) and 0 <= cut_layer < len(names) - 1:
        return cut_layer
    if cut_layer in names[:-1]:
        return names.index(cut_layer)
    raise ValueError(f"cut_layer: is {cut_layer!r}; it must be one of {names[:-1]} or its index")


def _batches(data: Any, size: int) -> Iterable[Tuple[Any, Any]]:
    if not isinstance(data, (tuple, list)):
        yield from data
        return
    for at in range(0, len(data[0]), size):
        yield data[0][at : at + size], data[1][at : at + size]


def _dataset(data: Any) -> Any:
    import numpy as np
    import torch

    if not isinstance(data, (tuple, list)):
        return data
    return torch.utils.data.TensorDataset(*(torch.as_tensor(np.asarray(part)) for part in data[:2]))


def model_folder() -> Optional[str]:
    """MODEL_URL, where it is set."""
    return os.environ.get("MODEL_URL") or None
