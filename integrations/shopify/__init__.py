"""Shopify, Admin API 2026-10."""
