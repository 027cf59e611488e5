"""WooCommerce, REST API wc/v3, with or without our companion plugin."""
