"""The formats both sides speak: strict, size-capped, both directions, frozen by golden vectors.

The verifier, the most widely deployed and least trusting part, owns them; the mirror conforms. Nothing here does I/O,
reads a clock or draws a random number.

    names           ids, versions, platforms, channels and paths: what may be called what
    digest          SHA-256, and blobs named by length and digest
    document        the frame of every JSON document: `format`, `min_spot`, canonical bytes
    frame           zstd frames with a known size
    manifest        a release's entries, and the blocks they lie in
    pack            a release's content as blocks
    index           what a component offers
    thin_snapshot   the versions an installation has, and nothing else
    installation    the id the mirror mints, and its short form for the telephone
    licences        what a customer may fetch
    routes          the paths of the content listener
    problem         why a request was refused
"""
