"""
Notification of ended tasks over Wiro's WebSocket.

Entry: :class:`~airflow_provider_wiro.watching.websocket.subscriptions.SubscriptionManager`. One socket
carries all tasks of a connection. It only says when to poll: a task is polled seldom while its messages
arrive, and like any other where they don't, so that nothing a server does over the socket can lose a task.

Pure, without I/O and clock: ``messages``, ``health``.
"""
