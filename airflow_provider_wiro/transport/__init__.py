"""One HTTP request: blocking with requests, asynchronous with aiohttp."""
