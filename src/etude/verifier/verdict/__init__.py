"""How a judge states its verdict, and how strictly it is read."""
