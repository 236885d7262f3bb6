"""The emulator over HTTP: the API, the CDN, the WebSocket, the control endpoints and the front page."""
