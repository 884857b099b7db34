"""The listener of health and metrics, on an address of its own: for balancers and Prometheus, never for clients.

status      whether the mirror is ready, and if not, why
exposition  what the metrics page says
answers     what is answered to whom: a pure function
token       the bearer token, from its file
listener    the sockets and their limits
"""
