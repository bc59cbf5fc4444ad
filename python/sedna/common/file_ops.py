"""Files, folders and their copies, local or remote, as user scripts call them.

Remote places (http, https, s3) go through the storage module of the core, which checks, resumes and signs. Objects are
pickled to and from **local** files only: nothing that was fetched from a network is ever unpickled here.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import pickle
import shutil
import tempfile
from typing import Any, List, Optional, Union
from urllib.parse import urlsplit

from sedna.common.log import LOGGER

_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".zip")


class FileOps:
    """Class methods only, with upstream's names."""

    # Folders and names -----------------------------------------------------------------------------------------------

    @classmethod
    def make_dir(cls, *args: str) -> None:
        """Creates the joined path as a folder, parents included."""
        os.makedirs(cls.join_path(*args), exist_ok=True)

    @classmethod
    def make_base_dir(cls, *args: str) -> None:
        """Creates the folder that the joined path lies in."""
        folder = os.path.dirname(cls.join_path(*args))
        if folder:
            os.makedirs(folder, exist_ok=True)

    @classmethod
    def clean_folder(cls, target: Union[str, List[Any]], clean: bool = True) -> List[Any]:
        """Makes each local folder exist, empty when ``clean``; returns them as a list. Remote places, files and empty
        names are left alone."""
        if target is None:
            raise TypeError("clean_folder: a path or a list of paths is expected, not None")
        if isinstance(target, str):
            target = [target]
        for path in target:
            if not path or cls.is_remote(path) or os.path.isfile(path):
                continue
            if clean and os.path.isdir(path):
                shutil.rmtree(path)
            os.makedirs(path, exist_ok=True)
        return target

    @classmethod
    def delete(cls, path: str) -> None:
        """Removes a file or a folder with all that is in it; nothing happens when there is none."""
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        elif os.path.lexists(path):
            os.unlink(path)

    @classmethod
    def join_path(cls, *args: str) -> str:
        """Joins parts; a later part's leading slashes do not start over, and a URL keeps its scheme."""
        if len(args) == 1:
            return args[0]
        first, rest = args[0], [part.lstrip("/") for part in args[1:]]
        if ":" in first:
            return "/".join([first.rstrip("/"), *rest])
        return os.path.join(first, *rest)

    @classmethod
    def remove_path_prefix(cls, org_str: str, prefix: Optional[str]) -> str:
        """The text without the prefix, where it has it."""
        prefix = prefix[:-1] if prefix and prefix.endswith("/") else prefix
        return org_str[len(prefix):] if org_str.startswith(prefix or "\0") and prefix else org_str

    @classmethod
    def get_file_hash(cls, filepath: str) -> str:
        """MD5 in hex (an identity, not a safeguard); empty when there is no such file."""
        if not os.path.isfile(filepath):
            return ""
        digest = hashlib.md5(usedforsecurity=False)
        with open(filepath, "rb") as file:
            for block in iter(lambda: file.read(1 << 20), b""):
                digest.update(block)
        return digest.hexdigest()

    @classmethod
    def exists(cls, folder: str) -> bool:
        """Whether a local file or folder is there."""
        # A number is no name, though os.path takes it for an open file.
        return not isinstance(folder, int) and (os.path.isdir(folder) or os.path.isfile(folder))

    @classmethod
    def is_remote(cls, src: str) -> bool:
        """s3://…, gs://…, or http(s)://host/path."""
        if src.startswith(("s3://", "gs://")):
            return True
        parts = urlsplit(src)
        return parts.scheme in ("http", "https") and src.startswith(parts.scheme) and bool(parts.netloc and parts.path)

    @classmethod
    def is_local(cls, src: str) -> bool:
        """Whether the path is there, on this machine."""
        return os.path.exists(src)

    # Copies ----------------------------------------------------------------------------------------------------------

    @classmethod
    def copy_folder(cls, src: str, dst: str) -> None:
        """Copies a folder into another (made if need be). A missing source is said in the log."""
        if not os.path.isdir(src):
            LOGGER.warning("copy_folder: %s is no folder, nothing copied", src)
            return
        shutil.copytree(src, dst, dirs_exist_ok=True)

    @classmethod
    def copy_file(cls, src: str, dst: str) -> None:
        """Copies a file, or a folder's content; makes the target's folder. A missing source is said in the log."""
        if os.path.isdir(src):
            cls.copy_folder(src, dst)
        elif os.path.isfile(src):
            if os.path.exists(dst) and os.path.samefile(src, dst):
                return
            cls.make_base_dir(dst)
            temporary = f"{dst}.{os.getpid()}.part" if not os.path.isdir(dst) else None
            if temporary is None:
                shutil.copy(src, dst)
            else:
                shutil.copy(src, temporary)
                os.replace(temporary, dst)
        else:
            LOGGER.warning("copy_file: %s does not exist, nothing copied", src)

    @classmethod
    def download(cls, src: str, dst: Optional[str] = None, unzip: bool = False) -> str:
        """Fetches a file (or an s3 prefix, or a local path) to ``dst``, a temporary name when None; returns ``dst``.

        Downloads appear under their name only when complete. ``unzip`` unpacks an archive beside itself, refusing
        members that would leave the folder, and returns that folder. Raises when a remote place cannot be read; a
        missing local source is said in the log, and nothing is there then.
        """
        if dst is None:
            dst = _temporary_name(src)
        if cls.is_remote(src):
            _storage_get(src, dst)
        elif src:
            cls.copy_file(src, dst)
        if unzip and os.path.isfile(dst) and src.endswith(_ARCHIVES):
            return cls._unpack(dst)
        return dst

    @classmethod
    def upload(cls, src: str, dst: str, tar: bool = False, clean: bool = True) -> str:
        """Puts a file or folder to ``dst`` (local, s3, http PUT), packed as .tar.gz when ``tar``; returns ``dst``.

        As upstream, ``clean`` (the default) deletes the source afterwards, unless it is the target itself.
        """
        if not os.path.exists(src):
            LOGGER.warning("upload: %s does not exist, nothing uploaded", src)
            return dst
        packed = cls._tar(src, f"{src.rstrip('/')}.tar.gz") if tar else None
        source = packed or src
        try:
            if cls.is_remote(dst):
                _storage_put(source, dst)
            else:
                cls.copy_file(source, dst)
        finally:
            if packed is not None:
                os.unlink(packed)
        if clean and not (os.path.exists(dst) and os.path.samefile(src, dst)):
            cls.delete(src)
        return dst

    @classmethod
    def http_download(cls, src: str, dst: str) -> str:
        """Fetches http(s)://…; returns ``dst``."""
        _storage_get(src, dst)
        return dst

    @classmethod
    def s3_download(cls, src: str, dst: str) -> str:
        """Fetches one object to a file, or all below a prefix into a folder; an error when there is none."""
        _storage_get(src, dst)
        return dst

    @classmethod
    def s3_upload(cls, src: str, dst: str) -> str:
        """Puts a file, or a folder's content below the prefix; returns ``dst``."""
        _storage_put(src, dst)
        return dst

    @classmethod
    def gcs_download(cls, src: str, dst: str) -> str:
        """Not supported: raises."""
        raise _unsupported(src)

    @classmethod
    def gcs_upload(cls, src: str, dst: str) -> str:
        """Not supported: raises."""
        raise _unsupported(dst)

    @classmethod
    def _tar(cls, src: str, dst: str) -> str:
        from sedna._native import native

        native.archive_create(src, dst)
        return dst

    @classmethod
    def _unpack(cls, path: str) -> str:
        from sedna._native import native

        # The folder may hold other things already (the archive itself, at least): unpacked beside them, then moved in.
        folder = os.path.dirname(os.path.abspath(path))
        with tempfile.TemporaryDirectory(prefix=".sedna-unpack-", dir=folder) as aside:
            native.archive_extract(path, aside)
            for base, folders, files in os.walk(aside):
                target = os.path.normpath(os.path.join(folder, os.path.relpath(base, aside)))
                for name in folders + files:
                    _move_in(os.path.join(base, name), os.path.join(target, name))
        return folder

    _untar = _unpack

    # Objects ---------------------------------------------------------------------------------------------------------

    @classmethod
    def dump_pickle(cls, obj: Any, filename: str) -> None:
        """Pickles to a local file, which appears when it is complete."""
        cls.make_base_dir(filename)
        temporary = f"{filename}.{os.getpid()}.part"
        with open(temporary, "wb") as file:
            pickle.dump(obj, file)
        os.replace(temporary, filename)

    @classmethod
    def load_pickle(cls, filename: str) -> Any:
        """Unpickles a **local** file. A pickle is a program: load only what you (or this job) wrote."""
        if cls.is_remote(filename):
            raise PermissionError(
                f"{filename}: pickles are never loaded from a network; download it, look where it came from, then load"
            )
        with open(filename, "rb") as file:
            head = file.read(2)
            file.seek(0)
            if head[:1] == b"\x80" and not _needs_joblib(file):
                file.seek(0)
                return pickle.load(file)
        return _joblib(filename).load(filename)

    @classmethod
    def dump(cls, obj: Any, dst: Optional[str] = None) -> str:
        """Pickles an object to ``dst``, local or remote (a temporary file when None); returns where it is."""
        if dst is None:
            dst = _temporary_name("object.pkl")
        if not cls.is_remote(dst):
            cls.dump_pickle(obj, dst)
            return dst
        temporary = _temporary_name("object.pkl")
        cls.dump_pickle(obj, temporary)
        return cls.upload(temporary, dst, clean=True)

    @classmethod
    def load(cls, src: str) -> Any:
        """As load_pickle: local files only."""
        return cls.load_pickle(src)

    @classmethod
    def obj_to_pickle_string(cls, x: Any) -> str:
        """The object as base64 text."""
        return base64.b64encode(pickle.dumps(x)).decode()

    @classmethod
    def pickle_string_to_obj(cls, s: Union[str, bytes]) -> Any:
        """The object of such a text. Only for texts that this program made itself."""
        return pickle.loads(base64.b64decode(s, validate=True))


def _move_in(source: str, target: str) -> None:
    """Moves an unpacked file or link over what is there; folders are made, and never through a link that was there."""
    if os.path.islink(source) or not os.path.isdir(source):
        os.replace(source, target)
        return
    if os.path.islink(target):
        raise PermissionError(f"{target}: is a link; nothing is unpacked through it")
    os.makedirs(target, exist_ok=True)


def _temporary_name(name: str) -> str:
    folder = tempfile.mkdtemp(prefix="sedna-")
    return os.path.join(folder, os.path.basename(name.rstrip("/")) or "file")


def _unsupported(url: str) -> NotImplementedError:
    return NotImplementedError(f"{url}: Google storage is not supported; use s3://, http(s):// or a local path")


def _storage_get(src: str, dst: str) -> None:
    if src.startswith("gs://"):
        raise _unsupported(src)
    from sedna._native import native

    native.storage_download(src, dst)


def _storage_put(src: str, dst: str) -> None:
    if dst.startswith("gs://"):
        raise _unsupported(dst)
    from sedna._native import native

    native.storage_upload(src, dst)


def _needs_joblib(file: io.BufferedReader) -> bool:
    """joblib puts arrays outside the pickle; plain pickle cannot read past such a wrapper."""
    block = file.read(1 << 16)
    return b"NumpyArrayWrapper" in block


def _joblib(path: str) -> Any:
    try:
        import joblib
    except ImportError as error:
        raise ImportError(f"{path} was written by joblib (arrays or compression) and needs it: pip install joblib") from error
    return joblib
