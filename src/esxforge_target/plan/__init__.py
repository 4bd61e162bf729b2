"""The plan: a pure function of the desired host and an inventory. What it says is what the host runs."""
