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

    def delays(self, packet: OuterPacket | bytes) -> Sequence[float]:
        """Return after how many seconds a copy of the packet comes out; nothing when it is lost.

        TCP segments come through whatever happens and are not counted: retransmission is not simulated.
        """
        if isinstance(packet, OuterPacket) and packet.protocol is IpProtocol.TCP:
            return (self.link.delay,)
        number, link = self._entered, self.link
        self._entered += 1
        if number in link.loss or (link.loss_rate and self._random.random() < link.loss_rate):
            return ()
        return link.delays(number)
