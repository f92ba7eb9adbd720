"""CloudWatch Logs: the functions' log lines on disk, and the API that reads them."""
