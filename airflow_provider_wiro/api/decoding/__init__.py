"""
Parts of Wiro's JSON, read tolerantly: ``fields`` (numbers, times, flags), ``llm_answers``, ``deep_json``.

All modules are pure.
"""
