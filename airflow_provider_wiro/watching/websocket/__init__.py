"""Push: status messages over Wiro's WebSocket."""
