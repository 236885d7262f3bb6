"""
The emulator over HTTP: the API, the CDN, the WebSocket, the control endpoints and the front page.

Entry: the handlers `Api`, `Cdn`, `WebSocketHandler`, `Control` and `Page`, which `server` mounts, and the
guard `SameOrigin`. Pure modules: `ranges`, `task_json`, `websocket_messages` and all of `endpoints`.
"""
