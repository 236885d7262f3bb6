"""
Results of a batch's items that were made before: found by their cards before the first Run, many at once.

Only items of which nothing was ever sent are looked up. What is found is recorded as any other result, so a
later try doesn't look for it again.
"""
