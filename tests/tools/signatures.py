"""Checks signatures of webhooks with the library of the Standard Webhooks rules: a JSON object a line on stdin (secret, headers,
body). Prints how many were right; exit 1 at the first wrong one, or where a forged one passes."""

import json
import sys

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

right = 0
for line in sys.stdin:
    it = json.loads(line)
    hook = Webhook(it["secret"])
    hook.verify(it["body"], it["headers"])
    try:
        hook.verify(it["body"] + " ", it["headers"])
    except WebhookVerificationError:
        right += 1
print(right)
