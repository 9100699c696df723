"""The marks by which what we put on this machine is told from everybody else's, and the few numbers of the host side."""

# What we chose.
DEVICE_PREFIX = "tm-"  # every tunnel device of ours, and nothing else, begins so
DEVICE_NAME_MAX = 15  # bytes; IFNAMSIZ of linux/if.h, less the terminating zero
ROUTE_PROTOCOL = 116  # of our routes and rules; "t", free in iproute2's rt_protos (routing daemons hold 99 and 186..192)
ROUTE_TABLE_BASE = 0x746D_0000  # "tm": a tunnel's own routing table is this plus 16 bits of a hash of its device's name
RULE_PRIORITY = 7200  # and the next: after the local table (0) and mesh VPNs (5210..5270), before full-tunnel VPNs (32764)
NFT_TABLE_PREFIX = "tunnelmgr_"  # one table per tunnel, `ip6 tunnelmgr_<name>`
UNREACHABLE_METRIC = 0x7FFF_FFFF  # worse than every route to a part of a delegated prefix
BARRIER_METRIC = 1  # better than the way into the device, in its own table; 0 means ROUTE_METRIC to the kernel
ADVERTISEMENT_INTERVAL_MIN = 20  # seconds; RFC 4861 section 6.2.1 wants a third of the other
ADVERTISEMENT_INTERVAL_MAX = 60  # seconds between router advertisements; RFC 4861 section 6.2.1 allows 4 to 1800
ROUTER_LIFETIME = 180  # seconds; three intervals, as there: so long a LAN waits for a router that vanished without a word
PREFERRED_LIFETIME = 1800  # seconds; a few minutes without us must not change which addresses are used
VALID_LIFETIME = 7200  # seconds; RFC 4862 section 5.5.3 e lets nobody shorten a lifetime below two hours
JOURNAL_MAX = 65536  # bytes of a journal, after which it is written anew with the net change alone

# What the kernel fixes.
MAIN_TABLE = 254  # RT_TABLE_MAIN of linux/rtnetlink.h
ROUTE_METRIC = 1024  # IP6_RT_PRIO_USER of linux/ipv6_route.h: what a route has that says nothing of a metric
FORWARDING = "net/ipv6/conf/all/forwarding"  # below /proc/sys; the input side of one interface alone does not forward

TCP_IPV6_HEADERS = 60  # bytes; RFC 8200 section 3, RFC 9293 section 3.1: what a segment size leaves out of the MTU

# Switches of our device, below /proc/sys/net/ipv6/conf/<device>; they vanish with it. See the kernel's ip-sysctl.rst.
DEVICE_SYSCTLS = {
    "disable_ipv6": "0",  # containers often say 1 for every new device
    "accept_ra": "0",  # who configures this device is us
    "autoconf": "0",
    "addr_gen_mode": "1",  # no link-local address by itself: the far end could not use it
}
