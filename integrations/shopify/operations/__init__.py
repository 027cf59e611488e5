"""GraphQL operations, one a file, each validated against Shopify's schema by the contract tests."""
