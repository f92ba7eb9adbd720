"""The Runtime API that a sandbox talks to: one session per sandbox."""
