"""The API floor: what is sent, what an answer means, how long to wait. No network, no clock, no sleep."""
