"""FileOps answers as upstream's, but for what is listed in docs/compatibility/python.md."""

from __future__ import annotations

import os
import shutil
import tarfile
import zipfile
from pathlib import Path
from typing import Any, Dict

import pytest
from vectors import rows

from sedna.common.file_ops import FileOps

FILE_OPS = rows("file_ops")
PURE = ("join_path", "remove_path_prefix", "is_remote", "exists", "is_local", "get_file_hash", "clean_folder")


@pytest.fixture(name="work")
def _work(tmp_path: Path) -> Path:
    (tmp_path / "hash.bin").write_bytes(b"abc")
    return tmp_path


def placed(value: Any, work: Path) -> Any:
    if isinstance(value, str):
        return value.replace("<W>", str(work))
    return [placed(v, work) for v in value] if isinstance(value, list) else value


@pytest.mark.parametrize("row", [r for r in FILE_OPS if r["call"] in PURE], ids=lambda r: f"{r['call']}-{r['args']}")
# JI-6.3
def test_pure(row: Dict[str, Any], work: Path) -> None:
    function = getattr(FileOps, row["call"])
    args = placed(row["args"], work)
    if row["error"]:
        with pytest.raises((AttributeError, TypeError, IndexError)) as caught:
            function(*args, **row["kwargs"])
        assert caught.type.__name__ == row["error"]
        return
    assert function(*args, **row["kwargs"]) == placed(row["result"], work)
    if row["call"] == "clean_folder":
        for path in [args[0]] if isinstance(args[0], str) else args[0]:
            assert not path or path.startswith("s3://") or os.path.exists(path)


# JI-6.3
def test_download_local(work: Path) -> None:
    source, target = str(work / "hash.bin"), str(work / "dl" / "out.bin")
    assert FileOps.download(source, target) == target
    assert Path(target).read_bytes() == b"abc"
    missing = str(work / "dl" / "none.bin")
    assert FileOps.download("/nonexistent", missing) == missing
    assert not os.path.exists(missing)
    assert FileOps.download("", missing) == missing
    assert FileOps.download(source, source) == source
    assert FileOps.download(str(work / "dl"), str(work / "dl2")) == str(work / "dl2")
    assert os.listdir(work / "dl2") == ["out.bin"]
    with pytest.raises(AttributeError):
        FileOps.download(None)  # type: ignore[arg-type]
    assert Path(FileOps.download(source)).read_bytes() == b"abc"


# JI-6.3
def test_upload_local(work: Path) -> None:
    for name in ("up1.bin", "up2.bin"):
        (work / name).write_bytes(b"x")
    assert FileOps.upload(str(work / "up1.bin"), str(work / "up" / "1.bin")) == str(work / "up" / "1.bin")
    assert not (work / "up1.bin").exists()  # as upstream: the source is deleted
    FileOps.upload(str(work / "up2.bin"), str(work / "up" / "2.bin"), clean=False)
    assert (work / "up2.bin").exists()
    FileOps.upload(str(work / "hash.bin"), str(work / "hash.bin"))
    assert (work / "hash.bin").exists()
    (work / "fold").mkdir()
    (work / "fold" / "a").write_bytes(b"1")
    assert FileOps.upload(str(work / "fold"), str(work / "fold2")) == str(work / "fold2")
    assert os.listdir(work / "fold2") == ["a"] and not (work / "fold").exists()
    packed = FileOps.upload(str(work / "fold2"), str(work / "t.tgz"), tar=True)
    assert tarfile.is_tarfile(packed)
    assert FileOps.upload("/nonexistent", str(work / "up" / "x")) == str(work / "up" / "x")


def test_objects(work: Path) -> None:
    path = FileOps.dump({"a": 1}, str(work / "o.pkl"))
    assert path == str(work / "o.pkl") and FileOps.load(path) == {"a": 1}
    assert os.path.isfile(FileOps.dump([1]))
    text = FileOps.obj_to_pickle_string({"a": (1, 2)})
    assert isinstance(text, str) and FileOps.pickle_string_to_obj(text) == {"a": (1, 2)}
    with pytest.raises(FileNotFoundError):  # upstream: EOFError
        FileOps.load("/nonexistent")


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/m.pkl", "https://h/m.pkl", "s3://b/m.pkl"])
# JI-6.5
def test_no_pickle_from_a_network(url: str) -> None:
    with pytest.raises(PermissionError, match="never loaded from a network"):
        FileOps.load(url)


def test_folders(work: Path) -> None:
    FileOps.make_dir(str(work / "m" / "n"))
    assert (work / "m" / "n").is_dir()
    FileOps.make_base_dir(str(work / "p" / "q"))
    assert (work / "p").is_dir() and not (work / "p" / "q").exists()
    FileOps.delete(str(work / "m"))
    assert not (work / "m").exists()
    FileOps.delete("/nonexistent")
    FileOps.copy_file("/nonexistent", str(work / "zz"))
    FileOps.copy_folder("/nonexistent", str(work / "zz"))
    assert not (work / "zz").exists()


def test_google_storage_says_that_it_is_not_supported(work: Path) -> None:
    with pytest.raises(NotImplementedError, match="Google storage"):
        FileOps.download("gs://b/k", str(work / "x"))
    with pytest.raises(NotImplementedError, match="Google storage"):
        FileOps.upload(str(work / "hash.bin"), "gs://b/k")


# JI-6.5
def test_archives_stay_in_their_folder(work: Path) -> None:
    good, bad = work / "good.zip", work / "bad.zip"
    with zipfile.ZipFile(good, "w") as archive:
        archive.writestr("in/a.txt", "1")
    with zipfile.ZipFile(bad, "w") as archive:
        archive.writestr("../evil.txt", "1")
    target = work / "unpacked" / "g.zip"
    assert FileOps.download(str(good), str(target), unzip=True) == str(work / "unpacked")
    assert (work / "unpacked" / "in" / "a.txt").read_text() == "1"
    with pytest.raises(PermissionError, match=r"'\.\./evil\.txt' leads out of its folder"):
        FileOps.download(str(bad), str(target), unzip=True)
    link = work / "link.tar.gz"
    with tarfile.open(link, "w:gz") as archive:
        entry = tarfile.TarInfo("l")
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc"
        archive.addfile(entry)
    with pytest.raises(PermissionError, match="'l'"):
        FileOps.download(str(link), str(work / "unpacked" / "l.tar.gz"), unzip=True)
    assert not (work / "evil.txt").exists()
    # Unpacked over what is there, but never through a link that somebody put there.
    outside = work / "outside"
    outside.mkdir()
    FileOps.download(str(good), str(target), unzip=True)
    shutil.rmtree(work / "unpacked" / "in")
    (work / "unpacked" / "in").symlink_to(outside)
    with pytest.raises(PermissionError, match="through it"):
        FileOps.download(str(good), str(target), unzip=True)
    assert not list(outside.iterdir())
    assert sorted(os.listdir(work / "unpacked")) == ["g.zip", "in", "l.tar.gz"], "something was left behind"
