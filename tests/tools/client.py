#!/usr/bin/env python3
"""A whole client: client.py SOCKET METHOD [PARAMS]. Prints the answer, one JSON document."""
import json
import socket
import sys

with socket.socket(socket.AF_UNIX) as s:
    s.connect(sys.argv[1])
    request = {"jsonrpc": "2.0", "id": 1, "method": sys.argv[2], "params": json.loads(sys.argv[3]) if len(sys.argv) > 3 else {}}
    s.sendall(json.dumps(request).encode() + b"\n")
    print(s.makefile().readline().strip())
