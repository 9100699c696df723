"""What plugins and core share: the contract of a method. A plugin imports nothing else of ours.

| module | holds |
|---|---|
| `hookspecs` | the hooks, and how a plugin is found |
| `transport` | what a plugin registers: `Transport`, `Suitability`, `Service` |
| `settings` | the base of a transport's settings |
| `secret` | the type of a setting that is not to be shown |
| `tunnel` | the verbs a Tunnel answers to |
| `datagrams`, `network` | what goes in: datagrams, channel events, network facts |
| `events`, `effects`, `hostconfig`, `status` | what comes out |
| `report` | what is known of the network when a method is chosen |
| `reach` | how to find out whether a far end can be reached |
| `commands` | what a plugin's own commands ask running profiles with |
| `dissection`, `packets.explained` | what packets are for, told to people |
| `addresses`, `names`, `texts` | what others say, read strictly, and shown so that it cannot steer a terminal |
| `errors` | `WireError`, `TunnelError`, exit codes |
| `outbox` | collects what a Tunnel says until the pump drains it |
| `pump` | drives a Tunnel against anything that offers an outside |
| `packets` | codecs: IPv4, IPv6, UDP, ICMPv4, ICMPv6, checksums |

Nothing is imported here, so that a command that only prints help pays for nothing.
"""
