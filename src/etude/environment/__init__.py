"""What an episode is played with: tools to call, turns that are answered, rewards in the end."""
