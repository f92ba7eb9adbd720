"""Measures lambd beside a bare loop and AWS's emulator; `./dev bench --help`."""
