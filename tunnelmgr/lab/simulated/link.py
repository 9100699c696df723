"""What happens to packets between two ends of a wire: delay, loss, duplication, lateness, size."""

from collections.abc import Sequence
from random import Random

from tunnelmgr.api.packets.protocol import IpProtocol
from tunnelmgr.lab.simulated.packet import OuterPacket
from tunnelmgr.lab.vocabulary import Link


class OneWay:
    """One direction of a link. It counts the packets that enter, since `Link` names them by number."""

    def __init__(self, link: Link, random: Random) -> None:
        self.link = link
        self._random = random
        self._entered = 0

    def too_big(self, packet: OuterPacket) -> bool:
        return packet.dont_fragment and packet.length > self.link.mtu

    def delays(self, packet: OuterPacket) -> Sequence[float]:
        """Return after how many seconds a copy of the packet comes out; nothing when it is lost.

        TCP segments come through whatever happens and are not counted: retransmission is not simulated.
        """
        if packet.protocol is IpProtocol.TCP:
            return (self.link.delay,)
        return self.delays_of_any()

    def delays_of_any(self) -> Sequence[float]:
        """Return the same for a packet of any other kind."""
        number, link = self._entered, self.link
        self._entered += 1
        if number in link.loss or (link.loss_rate and self._random.random() < link.loss_rate):
            return ()
        return link.delays(number)
