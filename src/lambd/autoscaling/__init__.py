"""Application Auto Scaling at work: measures utilisation, follows alarms, runs scheduled actions."""
