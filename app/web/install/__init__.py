"""The ways a shop becomes ours: Shopify's managed install and its older grant, WooCommerce's approval."""
