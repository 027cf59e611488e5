"""Cartwheel: the app behind the doors. Importing a flow must never import the web."""
