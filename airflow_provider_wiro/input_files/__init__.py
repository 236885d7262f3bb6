"""What a user gives as a run's files, and how it is sent and recognised again."""
