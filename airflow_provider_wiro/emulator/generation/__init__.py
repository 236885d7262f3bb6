"""
What a model takes, what it makes of it, and what that costs.

Entry: `check_parameters`, `Inputs`, `render` and `cost_usd`. All modules are pure: the same request always
gives the same bytes and the same price.
"""
