"""Instalment purchases over the platform's public API: what is due when is agreed on before anybody buys."""
