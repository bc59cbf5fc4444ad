"""The logger that user scripts share with the package: ``from sedna.common.log import LOGGER``."""

from __future__ import annotations

import logging
import sys

from sedna.common.config import BaseConfig

_FORMAT = "[%(asctime)s] %(filename)s(%(lineno)d) [%(levelname)s] - %(message)s"

LOG_LEVEL = BaseConfig.log_level


def _level(name: str) -> int:
    value = logging.getLevelName(name.strip().upper())
    return value if isinstance(value, int) else logging.INFO


class Logger:
    """Makes (or finds) a logger that writes to standard error in upstream's format; ``.logger`` is a logging.Logger."""

    def __init__(self, name: str = "") -> None:
        self.logger = logging.getLogger(name or BaseConfig.job_name)
        self.logger.setLevel(_level(BaseConfig.log_level))
        self.logger.propagate = False
        if not self.logger.handlers:
            handler = logging.StreamHandler(sys.stderr)
            handler.setFormatter(logging.Formatter(_FORMAT))
            self.logger.addHandler(handler)


LOGGER = Logger().logger


def refresh_level() -> None:
    """LOG_LEVEL as it is now: called when a job is made, because that is when the environment is read."""
    LOGGER.setLevel(_level(BaseConfig.log_level))
