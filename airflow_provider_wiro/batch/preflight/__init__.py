"""What is checked before the first Run of a batch, while nothing is paid for yet."""
