"""From an image in MAAS to a deployed host: predict what MAAS will send, check it, deploy, follow."""
