"""The HTTP API and the page: a request becomes a value, the value a response; sockets stand at the edge."""
