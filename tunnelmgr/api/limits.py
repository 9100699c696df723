"""Limits on what strangers can do: how often something happens, and how much is kept."""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Recent(OrderedDict[Key, Value]):
    """The entries set last. Beyond `size`, the one set longest ago goes."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._size = size

    def __setitem__(self, key: Key, value: Value) -> None:
        super().__setitem__(key, value)
        self.move_to_end(key)
        if len(self) > self._size:
            self.popitem(last=False)


class TokenBucket:
    """Holds `burst` tokens at most, to be used at once, and gains `rate` a second."""

    __slots__ = ("_at", "_burst", "_rate", "_tokens")

    def __init__(self, burst: float, rate: float) -> None:
        self._burst = burst
        self._rate = rate
        self._tokens = burst
        self._at = float("-inf")

    def take(self, now: float) -> bool:
        """Take a token; False when there is none."""
        if now > self._at:
            self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
            self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class TokenBuckets(Generic[Key]):
    """A bucket a key. Beyond `keys_max`, the bucket used longest ago is forgotten."""

    def __init__(self, burst: float, rate: float, keys_max: int) -> None:
        self._burst = burst
        self._rate = rate
        self._buckets: Recent[Key, TokenBucket] = Recent(keys_max)

    def take(self, key: Key, now: float) -> bool:
        """Take a token of this key; False when there is none."""
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = TokenBucket(self._burst, self._rate)
        else:
            self._buckets.move_to_end(key)
        return bucket.take(now)
