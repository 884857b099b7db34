"""The parsers, fed with whatever a peer or a foreign file might hold: `python -m fuzz --seconds 60`.

Hypothesis, not atheris: it is in the lock already, runs on every Python and machine that SPOT runs on (atheris: CPython
3.11 to 3.13 on Linux x86_64, 34 MB) and makes a finding small before it is shown. Guidance by coverage would add next
to nothing: the vectors already reach all but 14, 5 and 3 of the 282, 283 and 140 branches that atheris reached from
them in 30 seconds (index, manifest, routes), and what it cannot see into (json, msgspec, zstd, OpenSSL) does the rest.

A target is one parser, and what must hold of it whatever it is given:

- it raises its documented errors and nothing else; each has a reason in kebab case and one short line that can be
  printed on a terminal;
- what it accepts, it writes back to the very same bytes, where the format has one spelling;
- it takes at most `SECONDS` of processor time and `MEMORY` more memory for one input, and ends neither the process nor
  the patience of whoever waits (`target`, `worker`).

An input is a known document changed by a *script*: a few bytes that hypothesis draws, read as instructions to cut, copy
and replace (`script`), in the grammar of the format (`shapes`): JSON trees, DER trees. Seals, digests and signatures
are made anew after the change, so that the parsers behind them are reached.

A finding lies in `fuzz/found/TARGET/`, input and traceback; `python -m fuzz --reproduce FILE` runs it once more. What
was mended becomes a vector in `tests/vectors/refused` or a test.
"""
