"""The operator listener: the host that signs brings revocation lists, fetches requests for certificates, and answers
them. Mutual TLS, for certificates of the role `ca-operator` and nobody else.

    answers    from a request to an answer, and what else there must be for that
    listener   the sockets, with limits
"""
