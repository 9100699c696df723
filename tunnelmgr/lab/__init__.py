"""An internet to try tunnels in: simulated in memory, or built out of network namespaces, described in the same words."""
