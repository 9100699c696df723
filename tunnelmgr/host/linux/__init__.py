"""The Linux side of `Host`: TUN by ioctl, netlink through pyroute2, the firewall through nft, facts from /proc."""
