"""
The buttons on Airflow's task page.

``wiro.WiroTaskLink`` leads to the Wiro task; those of ``landed`` lead to the outputs, on the consoles' pages
that ``consoles`` knows. ``output_urls`` has the same links for the task's log.
"""
