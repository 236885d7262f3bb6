"""What task instances have left → the cards of a page. Pure: any foreign values in, plain text out."""
