"""Damage to a valid message, without knowing what it means."""

from random import Random


def mutated(message: bytes, random: Random) -> bytes:
    """Return a message with one to three kinds of damage."""
    for _ in range(random.randint(1, 3)):
        message = random.choice((_cut, _flipped, _doubled, _swollen, _noisy))(message, random)
    return message[:1400]


def _cut(message: bytes, random: Random) -> bytes:
    return message[: random.randrange(len(message) + 1)]


def _flipped(message: bytes, random: Random) -> bytes:
    changed = bytearray(message)
    for _ in range(random.randint(1, 4)):
        if changed:
            changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def _doubled(message: bytes, random: Random) -> bytes:
    at = random.randrange(len(message) + 1)
    return message[:at] + message[at : at + random.randint(1, 64)] * 2 + message[at:]


def _swollen(message: bytes, random: Random) -> bytes:
    at = random.randrange(len(message) + 1)
    return message[:at] + bytes([random.randrange(256)]) * random.randint(1, 300) + message[at:]


def _noisy(message: bytes, random: Random) -> bytes:
    at = random.randrange(len(message) + 1)
    return message[:at] + random.randbytes(random.randint(1, 32)) + message[at + 8 :]
