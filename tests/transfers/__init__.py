"""What the transfer to S3 promises, over real sockets."""
