"""
How are outputs fetched from Wiro's CDN? Only from allowed addresses, checked, and resumed after cuts.

Entry: :class:`~airflow_provider_wiro.downloads.download.Download` of a
:class:`~airflow_provider_wiro.downloads.downloader.Downloader` for a transfer; ``stream.open_output`` and
``async_stream.open_output`` for the hooks. ``Downloader.renew`` replaces a link that has expired.

What must not be relaxed: both the host's name and the connected socket's address are checked
(``address_policy``), at every redirect; bytes of two representations are never mixed (``ranges``).

Pure: ``checks``, ``checked_body``, ``late_links``, ``ranges``.
"""
