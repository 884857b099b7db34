"""The control process: the only one that writes, and the one that outlives its workers.

orders      what control tells a worker
reports     what a worker tells control
channel     the socket between them: framed, strict, bounded
sockets     the listening sockets, which stay open while workers come and go
crew        the workers of one configuration: started, kept alive, drained
member      one worker, from its start to its end
desk        what becomes of a report
changes     "something changed", told to every worker, and when all have taken it
writer      the store's only writer: what waits is written together
pace        how often an installation may store a thin snapshot
collector   audit lines, from the workers' rings into the file (audit_file)
totals      what all workers counted since control began
asking      the worker's end of the writer
notify      systemd is told how it goes
"""
