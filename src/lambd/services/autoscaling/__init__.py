"""Application Auto Scaling: targets, policies, scheduled actions, and the loop that follows them."""
