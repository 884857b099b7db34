"""Signing: who signs what, what waits for signatures, and the step by which it becomes the catalogue that clients see.

The room of the signing keys, and the only user of TUF's signing side.

    keys, ring      private keys at rest, and the names of all keys            terms     how long statements hold
    roles           TUF statements made and changed (pure)                     staged    what waits for signatures
    review          old and new held against one another (pure)                visible   staged → catalogue
    switch          one change at a time, one step that counts                 papers    signing on other machines
    people, stage, draft, proposal, candidate, means                           what joins them
"""
