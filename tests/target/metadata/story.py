"""Run by old Pythons in a child process: a deployment's talk with MAAS, from the first look to user-data.

Arguments: the status endpoint and the file that holds the token (never an argument). Python 3.5 syntax.
"""

import json
import sys

from esxforge_target.contract.endpoint import parse_endpoint
from esxforge_target.contract.token import Token
from esxforge_target.metadata.client import MetadataClient


def main(endpoint: str, token_file: str) -> None:
    with open(token_file) as stream:  # noqa: PTH123  as on the target
        token = Token.from_config(json.load(stream))
    client = MetadataClient(parse_endpoint(endpoint), token)
    print(client.probe().connectivity)
    client.report_start("network", "Setting up the network f\u00fcr esx01")
    print(client.instance_id(), client.hostname(), len(client.public_keys().keys), len(client.vendor_data()))
    client.restart_limit()
    client.report_failed_phase("user-data", "the script ended with 1")
    print((client.user_data() or b"").decode("ascii"))


main(*sys.argv[1:])
