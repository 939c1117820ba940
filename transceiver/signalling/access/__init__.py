"""Who may ask for what: keys, ephemeral keys, tenants."""
