"""IPv6 in UDP to one fixed peer, as the Linux kernel's FOU device sends it: no RFC, no header of its own."""
