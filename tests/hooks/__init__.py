"""What the hooks promise, over real sockets."""
