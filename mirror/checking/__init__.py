"""`check`: looks a mirror over as it stands on this host, while it serves or not, and changes nothing.

noted       what the parts tell one another, and metrics
findings    what is found, and how it is judged: values and the clock in, findings out
holders     who signs for what, judged
host        the configuration's file, modes, disk, addresses, what a publish left
trust       the server's certificate, the issuing CAs, their revocation lists
offer       the catalogue, and who signs it
releases    the releases that it offers
scrub       all of those, read from the disk at a pace, and when that was done last
signing     whose keys lie where, what waits for signatures
store       the records

What is wrong becomes a finding, never the end of the inspection. Signing keys are looked at by their modes only.
"""
