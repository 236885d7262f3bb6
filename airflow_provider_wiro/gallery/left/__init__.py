"""
What task instances have left in Airflow's database, read only and bounded: rows, XComs, rendered fields.

Values come as plain JSON. Airflow's own reader of XComs would build objects of classes that an XCom names.
"""
