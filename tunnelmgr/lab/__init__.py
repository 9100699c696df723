"""An internet to try tunnels in: simulated in memory, or made of network namespaces, described in the same words."""
