"""Protocol 41 on the wire: into it, out of it, and what routers say about it."""
