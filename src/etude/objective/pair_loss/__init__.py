"""What a pair of a better and a worse answer costs."""
