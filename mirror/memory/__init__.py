"""What the hot path reads, in a map that processes share: one of them fills it, others read it without asking.

layout      the keys and values of it, pure
place       the folder that it lies in, and how it is opened
tables      its tables, and transactions that change them
write       what a customer, a revocation list, a catalogue is in it
watched     values that lie outside and may change
fill        reads what changed outside, and writes the difference
read        what it holds at one moment

Each change is one transaction: whoever reads sees all of it or nothing. A reader holds a transaction and takes a new
one when it is told that something changed. None of it is durable; it is made anew at each start.
"""
