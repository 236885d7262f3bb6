"""What task instances have left → the cards of a page. Pure: foreign values of any form in, plain text out."""
