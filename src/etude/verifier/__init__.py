"""What turns an answer into an outcome and named parts."""
