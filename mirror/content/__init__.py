"""The content listener: the one room that faces outside.

policy      who may do what: one decision a request, a pure function
problems    how a refusal is answered
ranges      which part of a file a request asks for
memory      what a request reads, all at one moment
shelf       the catalogue's files
files       answers that are files: catalogue, manifests, packs
customers   answers about the caller: licences, installations, thin snapshots
bodies      headers and bodies of requests, each with its limit
answer      an answer, and how its bytes are written
listener    the sockets: bound, watched, drained
app         one request, from the certificate to the audit line
audit       one line a request
seen        when installations were last seen, written down in batches
"""
