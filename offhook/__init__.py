"""offhook: a self-hosted real-time voice fabric."""

__version__ = "0.1.0"
