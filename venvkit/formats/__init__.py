"""What is stored and printed: receipt, mark, index entry."""
