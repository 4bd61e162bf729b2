"""The inventory of an ESXi host: its model, its reading in one pass, its JSON document."""
