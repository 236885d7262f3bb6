"""
Airflow's hooks for Wiro's API.

Entry: :class:`~airflow_provider_wiro.hooks.wiro.WiroHook`, which blocks, and
:class:`~airflow_provider_wiro.hooks.wiro_async.WiroAsyncHook`, its counterpart on an event loop. Both run the
flows of :mod:`airflow_provider_wiro.api` and decide nothing: ``flow_context`` gives a flow its clock, its
random numbers and its rate limit.
"""
