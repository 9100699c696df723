"""What Teredo puts on the wire: addresses, datagrams, trailers."""
