"""EventBridge Scheduler and scheduled rules at work: dispatches what is due, hands it to Lambda."""
