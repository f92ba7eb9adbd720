"""The AWS wire protocol, driven by the vendored service models; knows shapes, not services."""
