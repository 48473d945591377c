"""The HTTP API and the page: requests and responses are values; only `server` and `handler` use sockets."""
