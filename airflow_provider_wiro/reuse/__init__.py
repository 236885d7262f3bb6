"""
Reuse of results: a run with the same inputs as an earlier one sends nothing, and costs nothing.

A result card is kept under the fingerprint of a run's inputs, in a folder of any object store. It says what
the run has made, and where that has landed, verified. A card is trusted only as far as what it names is still
there, unchanged; whatever is wrong with it makes it a miss, and the run is sent.
"""
