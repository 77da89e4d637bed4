"""Checks signatures of webhooks: a JSON object a line on stdin (secret, id, timestamp, body, signature). Exit 1 at the first wrong one."""

import base64
import hashlib
import hmac
import json
import sys

right = 0
for line in sys.stdin:
    it = json.loads(line)
    key = base64.b64decode(it["secret"].removeprefix("whsec_"))
    signed = f"{it['id']}.{it['timestamp']}.{it['body']}".encode()
    wanted = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    if not hmac.compare_digest(wanted, it["signature"]):
        sys.exit(f"{it['id']}: {it['signature']} is not {wanted}")
    right += 1
print(right)
