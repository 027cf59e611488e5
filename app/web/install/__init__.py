"""The ways a shop becomes ours: Shopify's managed install, and its older authorization-code grant."""
