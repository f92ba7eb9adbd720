"""EventBridge: rules on a schedule and their targets."""
