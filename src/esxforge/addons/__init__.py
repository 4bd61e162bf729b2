"""Drivers and other add-ons for ESXi: VIBs and offline bundles, read, checked, and held against a release."""
