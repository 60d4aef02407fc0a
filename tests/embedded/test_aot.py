import asyncio
import os
from pathlib import Path

import pytest

from worker.embedded import prepare
from worker.embedded.aot import cache_file, cache_options
from worker.embedded.jars import class_path
from worker.embedded.java import find_java
from worker.embedded.kafka import JVM_OPTIONS, EmbeddedKafka


def java(home: Path, release: str | None) -> Path:
    """Return where a Java lies that says this of itself."""
    (home / "bin").mkdir(parents=True)
    if release is not None:
        (home / "release").write_text(release)
    return home / "bin" / "java"


@pytest.fixture
def jars(tmp_path: Path) -> str:
    return os.pathsep.join(str(tmp_path / "cache" / "kafka" / name) for name in ("a.jar", "b.jar"))


@pytest.mark.parametrize("release", [None, "", 'JAVA_VERSION="17.0.15"\n', 'JAVA_VERSION="24"\n'])
def test_a_java_that_is_too_old_or_unknown_has_no_cache(tmp_path: Path, jars: str, release: str | None) -> None:
    assert cache_file(java(tmp_path / "java", release), jars, ()) is None
    assert cache_options(tmp_path / "java" / "bin" / "java", jars, ()) == ()


def test_each_java_each_class_path_and_each_set_of_options_has_a_cache_of_its_own(tmp_path: Path, jars: str) -> None:
    first = java(tmp_path / "first", 'IMPLEMENTOR="x"\nJAVA_VERSION="25.0.2"\n')
    second = java(tmp_path / "second", 'IMPLEMENTOR="x"\nJAVA_VERSION="26"\n')
    link = tmp_path / "java"
    link.symlink_to(first)
    files = [
        cache_file(first, jars, ()),
        cache_file(second, jars, ()),
        cache_file(first, f"{jars}{os.pathsep}c.jar", ()),
        cache_file(first, jars, ("-Xmx1g",)),
    ]
    assert len(set(files)) == len(files)
    assert cache_file(link, jars, ()) == cache_file(first, jars, ())
    assert {file.parent for file in files if file is not None} == {tmp_path / "cache"}


def test_the_cache_is_used_only_when_it_is_there(tmp_path: Path, jars: str) -> None:
    some = java(tmp_path / "java", 'JAVA_VERSION="25.0.2"\n')
    file = cache_file(some, jars, ())
    assert file is not None
    assert cache_options(some, jars, ()) == ()
    file.parent.mkdir()
    file.touch()
    assert cache_options(some, jars, ()) == (f"-XX:AOTCache={file}",)


@pytest.fixture
def cache_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache directory that has the jars and nothing else; it is given to this process."""
    first = Path(class_path(print).split(os.pathsep)[0])
    home = tmp_path / "detractor-worker"
    home.mkdir()
    (home / first.parent.name).symlink_to(first.parent)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return home


def left_in(home: Path) -> list[str]:
    """Return the endings of what was written to the cache directory."""
    return [path.suffix for path in home.iterdir() if not path.is_symlink()]


@pytest.mark.thorough
async def test_what_is_prepared_is_used_and_prepared_once(cache_home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = cache_file(find_java(), class_path(print), JVM_OPTIONS)
    assert file is not None
    assert file.parent == cache_home
    await prepare.prepare()
    assert "preparing Apache Kafka" in capfd.readouterr().out
    written = file.stat()
    await prepare.prepare()
    assert capfd.readouterr().out == ""
    assert file.stat() == written
    assert left_in(cache_home) == [".aot"]
    # With `on` Java refuses to start when the cache does not fit; without it, it would start all the same.
    async with EmbeddedKafka(java_options=(f"-XX:AOTCache={file}", "-XX:AOTMode=on")) as kafka:
        assert kafka.pid


async def test_kafka_starts_also_with_a_damaged_cache(cache_home: Path) -> None:
    file = cache_file(find_java(), class_path(print), JVM_OPTIONS)
    assert file is not None
    await asyncio.to_thread(file.write_bytes, b"this is no cache" * 1000)
    async with EmbeddedKafka() as kafka:
        command = await asyncio.to_thread(Path(f"/proc/{kafka.pid}/cmdline").read_text)
        assert f"-XX:AOTCache={file}" in command.split("\0")
        assert file.parent == cache_home
