"""lambd: AWS Lambda for your own machines."""
