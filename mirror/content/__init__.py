"""The content listener: the one room that faces outside.

policy        who may do what: one decision a request, a pure function
world         what the mirror knows at one moment, as decisions need it
caller        whom a certificate names, and what was last judged of it
problems      how a refusal is answered
ranges        which part of a file a request asks for
memory        what a request reads, all at one moment
shelf, cache  the catalogue's files and small manifests, held
packs         what packs must be; small ones, held
files         answers that are files: catalogue, manifests, packs
representation  answers out of bytes at hand: whole, or parts of them
customers     answers about the caller: licences, installations, thin snapshots
bodies        headers and bodies of requests, each with its limit
head          requests out of bytes
answer        an answer, and how its bytes are written
moment        a second, and how answers and audit lines write it
sending       an answer on its way
tunnel        TLS over one socket
listener      the sockets: accepted from, watched, drained
gate          who may come in, and whose connection a balancer passes on (proxied)
connection    one connection, and conversation the requests on it
limits        connections, rates, fair shares
exchange      one request and its answer
app           one request, from the certificate to the audit line
audit         one line a request
seen          when installations were last seen, written down in batches
"""
