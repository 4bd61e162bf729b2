"""MAAS's REST interface 2.0, as far as images need it: credentials, requests, uploads."""
