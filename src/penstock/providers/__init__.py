"""Where answers come from: the wire formats, the exchange over HTTP, and a reader that needs no server."""
