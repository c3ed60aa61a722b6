"""What a Redis may answer instead of values."""

import socket
from collections.abc import Iterator

import pytest
import redis

from redis_server import RedisServer
from soundkin.errors import ArtefactError, OutputError, StoreError, UsageError
from soundkin.search import redis_hashes
from soundkin.search.redis_hashes import RedisHashes


@pytest.fixture
def client(redis_server: RedisServer) -> Iterator["redis.Redis"]:
    with redis.Redis.from_url(redis_server.url) as client:
        client.flushall()
        yield client


def write(place: RedisHashes, value: bytes) -> None:
    with place.drafting() as draft:
        draft.put({b"a": value})
        draft.publish()


def test_two_addresses_are_one_store_and_two_names_are_two(
    redis_server: RedisServer, client: "redis.Redis"
) -> None:
    write(RedisHashes(redis_server.url), b"1")
    write(RedisHashes(f"{redis_server.url}?name=jazz"), b"2")
    values = RedisHashes(redis_server.tcp_url).current()
    assert values is not None and values.get(b"a") == b"1"
    assert sorted(client.keys("soundkin:jazz*")) == [b"soundkin:jazz", b"soundkin:jazz:1"]
    assert RedisHashes(f"{redis_server.url}?name=rock").current() is None


def test_nothing_answers() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"redis://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(StoreError, match=rf"{url} cannot be reached \(.*refused.*\). Is Redis running?"):
        RedisHashes(url).current()
    with pytest.raises(StoreError, match="cannot be reached"), RedisHashes("unix:///none.sock").drafting():
        raise AssertionError


def test_passwords(redis_server: RedisServer, client: "redis.Redis", monkeypatch: pytest.MonkeyPatch) -> None:
    client.config_set("requirepass", "open sesame")
    try:
        tcp = redis_server.tcp_url
        for url in (tcp, tcp.replace("//", "//:wrong@"), tcp.replace("//", "//default:wrong@")):
            with pytest.raises(StoreError, match=r"refuses us: .*SOUNDKIN_REDIS_PASSWORD") as caught:
                RedisHashes(url).current()
            assert "wrong" not in str(caught.value)
        assert RedisHashes(tcp.replace("//", "//:open%20sesame@")).current() is None
        monkeypatch.setenv("SOUNDKIN_REDIS_PASSWORD", "open sesame")
        assert RedisHashes(tcp).current() is None
        assert RedisHashes(tcp.replace("//", "//default@")).current() is None
    finally:
        client.config_set("requirepass", "")


def test_a_full_redis_keeps_what_it_has(redis_server: RedisServer, client: "redis.Redis") -> None:
    place = RedisHashes(redis_server.url)
    write(place, b"before")
    client.config_set("maxmemory", "1")
    try:
        with pytest.raises(OutputError, match=r"is out of memory. Raise its maxmemory, and run the same"):
            write(place, b"after")
        values = place.current()
        assert values is not None and values.get(b"a") == b"before"
    finally:
        client.config_set("maxmemory", "0")
        client.delete("soundkin:neighbours:lock")
    write(place, b"after")


def test_a_replica_is_not_written(redis_server: RedisServer, client: "redis.Redis") -> None:
    with RedisServer("--replicaof", "127.0.0.1", str(redis_server.port)) as replica:
        with pytest.raises(StoreError, match=r"refuses us: .*read only replica"):
            write(RedisHashes(replica.url), b"1")
        assert client.keys("*") == []


def test_a_version_that_is_gone(redis_server: RedisServer, client: "redis.Redis") -> None:
    place = RedisHashes(redis_server.url)
    write(place, b"1")
    values = place.current()
    write(place, b"2")
    assert values is not None and values.get(b"a") == b"1"
    assert 0 < client.ttl("soundkin:neighbours:1") <= redis_hashes.REPLACED_SECONDS
    assert client.ttl("soundkin:neighbours:2") == -1
    client.delete("soundkin:neighbours:1")
    with pytest.raises(ArtefactError, match=r"version 1 of .* is gone: .*Open the store again"):
        values.get(b"a")
    current = place.current()
    assert current is not None and current.get(b"a") == b"2" and current.get(b"unknown") is None


def test_a_writer_that_lost_its_lock_writes_no_more(redis_server: RedisServer, client: "redis.Redis") -> None:
    place = RedisHashes(redis_server.url)
    with pytest.raises(OutputError, match="another run is writing"), place.drafting() as late:
        late.put({b"a": b"late"})
        client.delete("soundkin:neighbours:lock")
        with place.drafting() as early:
            early.restart(from_current=False)
            early.put({b"a": b"early"})
            early.publish()
        late.put({b"a": b"late"})
    values = place.current()
    assert values is not None and values.get(b"a") == b"early"


def test_a_restarted_redis_is_found_again() -> None:
    with RedisServer() as server:
        place = RedisHashes(server.url)
        write(place, b"1")
        values = place.current()
        assert values is not None
        with redis.Redis.from_url(server.url) as other:
            other.client_kill_filter(_type="normal", skipme=True)
        assert values.get(b"a") == b"1"


@pytest.mark.parametrize("url", ["redis://host:port", "redis://localhost/0?colour=red"])
def test_urls_that_are_none(url: str) -> None:
    with pytest.raises(UsageError, match=r"Write redis://HOST:PORT/DATABASE\?name=NAME"):
        RedisHashes(url)
