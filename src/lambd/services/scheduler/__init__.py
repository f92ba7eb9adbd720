"""EventBridge Scheduler: schedules, their groups and targets."""
