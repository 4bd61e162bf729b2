"""The self-test: with a real ISO and KVM it sees what a stand-in cannot show, and says so in a report."""
