"""The forwarding table and the paths that carry packets. Decides nothing."""
