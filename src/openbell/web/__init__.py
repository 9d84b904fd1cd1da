"""The door for browsers and API clients: JSON, a stream of changes, and pages."""

from openbell.web.app import WebConfig, create_app

__all__ = ["WebConfig", "create_app"]
