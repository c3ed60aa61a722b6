"""A store of neighbours in a Redis, for many machines: a hash each version, and a key that names the current.

    soundkin:NAME           the number of the current version
    soundkin:NAME:7         its values
    soundkin:NAME:draft     those of the next
    soundkin:NAME:lock      who writes it

A version that another has replaced is kept for a while, for readers that go on to the next in their own time.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import cast
from urllib.parse import parse_qsl, urlencode, urlsplit

from soundkin.errors import ArtefactError, OutputError, StoreError, UsageError
from soundkin.extras import require

require("serve", "a store of neighbours")

import redis  # noqa: E402
from redis.backoff import NoBackoff  # noqa: E402
from redis.retry import Retry  # noqa: E402

PASSWORD = "SOUNDKIN_REDIS_PASSWORD"  # of the environment, for a URL without one
LOGIN = re.compile(r"://([^:@/]*):[^@/]*@")  # user:password@, of which the password is not shown
CONNECT_SECONDS, ANSWER_SECONDS = 5.0, 60.0
REPLACED_SECONDS = 600  # how long a replaced version is kept
LOCK_SECONDS = 60  # how long a killed writer keeps others out


class RedisHashes:
    """The store at a URL: redis://, rediss:// (TLS) or unix://; `?name=` tells several in one Redis apart."""

    def __init__(self, url: str) -> None:
        address, _, asked = url.partition("?")
        query = dict(parse_qsl(asked))
        self.name = f"soundkin:{query.pop('name', 'neighbours')}"
        self._shown = LOGIN.sub(r"://\1@", url).replace("://@", "://")
        given = urlsplit(address).password or PASSWORD not in os.environ
        password = {} if given else {"password": os.environ[PASSWORD]}
        try:
            self.client = redis.Redis.from_url(
                f"{address}?{urlencode(query)}",
                socket_connect_timeout=CONNECT_SECONDS,
                socket_timeout=ANSWER_SECONDS,
                retry=Retry(NoBackoff(), 1),  # a connection that has been idle may be gone
                **password,
            )
            self.client.connection_pool.make_connection()  # nothing is sent yet; wrong words in a URL show
        except (ValueError, TypeError) as error:
            raise UsageError(f"{self}: {error}. Write redis://HOST:PORT/DATABASE?name=NAME.") from error

    def __str__(self) -> str:
        return self._shown

    def key(self, version: int) -> str:
        """Where a version is."""
        return f"{self.name}:{version}"

    def version(self) -> int:
        """The number of the current version; 0 where there is none."""
        with self.asking():
            return int(self.client.get(self.name) or 0)

    def current(self) -> "RedisValues | None":
        """What the store holds now; None where there is none."""
        version = self.version()
        return RedisValues(self, version) if version else None

    @contextmanager
    def drafting(self) -> Iterator["RedisDraft"]:
        """The next version, which is kept until it is published."""
        lock = self.client.lock(f"{self.name}:lock", LOCK_SECONDS, thread_local=False)
        with self.asking():
            if not lock.acquire(blocking=False):
                raise OutputError(
                    f"another run is writing {self}, or was killed less than {LOCK_SECONDS} seconds ago. "
                    "Wait for it, or choose another ?name="
                )
        try:
            yield RedisDraft(self, lock)
        finally:
            with self.asking():
                if lock.owned():
                    lock.release()

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Turn what Redis says into an error that says what to do."""
        try:
            yield
        except (redis.AuthenticationError, redis.exceptions.NoPermissionError) as error:
            raise StoreError(
                f"{self} refuses us: {_plain(error)}. Give the password as {PASSWORD} in the environment, "
                "and the user in the URL: redis://USER@HOST:PORT"
            ) from error
        except redis.OutOfMemoryError as error:
            raise OutputError(
                f"cannot write {self}: it is out of memory. Raise its maxmemory, and run the same command "
                "again."
            ) from error
        except redis.exceptions.LockError as error:
            raise OutputError(f"another run is writing {self}. Run the same command later.") from error
        except (redis.ConnectionError, redis.TimeoutError) as error:
            raise StoreError(f"{self} cannot be reached ({_plain(error)}). Is Redis running?") from error
        except redis.RedisError as error:
            raise StoreError(f"{self} refuses us: {_plain(error)}.") from error


class RedisValues:
    """One version."""

    def __init__(self, place: RedisHashes, version: int) -> None:
        self._place, self._version = place, version
        self._key = place.key(version)

    def get(self, key: bytes) -> bytes | None:
        """The value under a key."""
        return self.get_many([key])[0]

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values under these keys, in one go."""
        client = self._place.client
        with self._place.asking():
            values = cast("list[bytes | None]", client.hmget(self._key, keys))
            if values.count(None) == len(values) and not client.exists(self._key):
                raise ArtefactError(
                    f"version {self._version} of {self._place} is gone: another took its place, or Redis "
                    "evicted it. Open the store again, or make it again."
                )
        return values

    def is_current(self) -> bool:
        """Whether no other version has taken its place."""
        return self._place.version() == self._version

    def close(self) -> None:
        """Let go of the connections."""
        self._place.client.close()


class RedisDraft:
    """The next version; writing it keeps others from doing so."""

    def __init__(self, place: RedisHashes, lock: "redis.lock.Lock") -> None:
        self._place, self._lock, self._client = place, lock, place.client
        self._key = f"{place.name}:draft"

    def get(self, key: bytes) -> bytes | None:
        """The value under a key."""
        with self._place.asking():
            return cast("bytes | None", self._client.hget(self._key, key))

    def restart(self, from_current: bool) -> None:
        """Throw away what is in it, and begin with the current version's values or with none."""
        with self._place.asking():
            self._lock.reacquire()
            self._client.unlink(self._key)
            if from_current:
                self._client.copy(self._place.key(self._place.version()), self._key)

    def put(self, values: Mapping[bytes, bytes], removed: Sequence[bytes] = ()) -> None:
        """Write all of this in one step."""
        with self._place.asking():
            self._lock.reacquire()  # it fails where another has taken over since
            pipe = self._client.pipeline()
            if removed:
                pipe.hdel(self._key, *removed)
            pipe.hset(self._key, items=list(chain.from_iterable(values.items())))
            pipe.execute()

    def publish(self) -> None:
        """Make it the current version; readers of the one before have a while to notice."""
        before = self._place.version()
        with self._place.asking():
            self._lock.reacquire()
            pipe = self._client.pipeline()
            pipe.rename(self._key, self._place.key(before + 1))
            pipe.set(self._place.name, before + 1)
            pipe.expire(self._place.key(before), REPLACED_SECONDS)
            pipe.execute()


def _plain(error: Exception) -> str:
    return str(error).rstrip(".")
