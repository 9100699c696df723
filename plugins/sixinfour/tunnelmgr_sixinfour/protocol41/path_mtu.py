"""How large packets may be: the tunnel MTU that follows from the path's (RFC 4213 section 3.2, RFC 1191).

Two bounds make the dynamic MTU: a ceiling on the IPv4 path, which only messages lower, and the size that the far end
has answered, which only answers raise. A forged message can therefore cost speed for ten minutes, and never packets.
"""

from tunnelmgr_sixinfour.constants import (
    OVERHEAD,
    PATH_MTU_AGE,
    PATH_MTU_MIN,
    PLATEAUS,
    PROBE_ROUNDS,
    PROBE_SIZES,
    TUNNEL_MTU_ETHERNET,
    TUNNEL_MTU_MIN,
)

UNBOUNDED = TUNNEL_MTU_ETHERNET + OVERHEAD  # bytes of IPv4 packet


def tunnel_mtu_of(path_mtu: int) -> int:
    """Return the tunnel MTU for an IPv4 path MTU, in bytes."""
    return max(TUNNEL_MTU_MIN, path_mtu - OVERHEAD)


def sets_df(path_mtu: int) -> bool:
    """Whether packets carry DF on such a path: below 1300 bytes IPv4 has to fragment what IPv6 must be able to send."""
    return path_mtu - OVERHEAD >= TUNNEL_MTU_MIN


def plateau_below(size: int) -> int:
    """Return the path MTU to assume when a router that does not say refused a packet of `size` bytes."""
    return next((plateau for plateau in PLATEAUS if plateau < size), PATH_MTU_MIN)


class PathMtu:
    """The MTU of one tunnel. `static` fixes it: DF stays clear, nothing is learned."""

    def __init__(self, static: int | None) -> None:
        self._static = static
        self._answered = TUNNEL_MTU_MIN
        self._ceiling = UNBOUNDED
        self._ages_at: float | None = None
        self._rounds_left = PROBE_ROUNDS
        self.black_hole = False
        """Whether large packets vanished without a word."""

    @property
    def tunnel_mtu(self) -> int:
        """In bytes of IPv6 packet."""
        return self._static or tunnel_mtu_of(min(self._ceiling, self._answered + OVERHEAD))

    @property
    def dont_fragment(self) -> bool:
        return self._static is None and not self.black_hole and sets_df(self._ceiling)

    @property
    def path_mtu(self) -> int | None:
        """The IPv4 path MTU as far as it is known to be a limit."""
        return self._ceiling if self._ceiling < UNBOUNDED else None

    def next_timeout(self) -> float | None:
        return self._ages_at

    def sizes_to_probe(self) -> tuple[int, ...]:
        """Return the sizes of IPv6 packet to have answered now: the one in use, and larger ones while searching."""
        if not self.dont_fragment:
            return ()
        return self.tunnel_mtu, *(self._candidates() if self._rounds_left else ())

    def _candidates(self) -> list[int]:
        limit = tunnel_mtu_of(self._ceiling)
        return [size for size in sorted({limit, *PROBE_SIZES}) if self.tunnel_mtu < size <= limit]

    def answered(self, size: int) -> None:
        """The far end got a packet of `size` bytes of IPv6."""
        if self.dont_fragment:
            self._answered = max(self._answered, min(size, tunnel_mtu_of(self._ceiling)))

    @property
    def settled(self) -> bool:
        """Whether there is nothing larger to look for at the moment."""
        return not self.dont_fragment or not self._rounds_left or not self._candidates()

    def round_ended(self) -> None:
        """All sizes of one round had their time."""
        self._rounds_left = max(0, self._rounds_left - 1)

    def refused(self, mtu: int, quoted: int | None, now: float) -> bool:
        """Take "fragmentation needed": `quoted` is the length of the IPv4 packet it is about, None when this host says so.

        Returns whether it was believed: the MTU must be possible and smaller than that packet (RFC 1191 section 4).
        """
        if self._static is not None:
            return False
        if mtu == 0 and quoted is not None:
            mtu = plateau_below(quoted)
        if mtu < PATH_MTU_MIN or (quoted is not None and mtu >= quoted):
            return False
        if mtu < self._ceiling:
            self._ceiling, self._ages_at = mtu, now + PATH_MTU_AGE
        return True

    def lost(self, now: float) -> None:
        """Packets of the size in use vanish while small ones are answered: believe in the least, and in fragments."""
        self.black_hole = True
        self._answered = TUNNEL_MTU_MIN
        self._ages_at, self._rounds_left = now + PATH_MTU_AGE, 0

    def handle_timeout(self, now: float) -> bool:
        """Let what was learned age; return whether it did, and the search begins anew."""
        if self._ages_at is None or now < self._ages_at:
            return False
        self.search_again()
        return True

    def search_again(self) -> None:
        """Forget the limits of a path that may be another one: the size in use stays until its loss is noticed."""
        self._ceiling, self._ages_at = UNBOUNDED, None
        self._rounds_left, self.black_hole = PROBE_ROUNDS, False
