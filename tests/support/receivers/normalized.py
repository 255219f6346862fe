# Sentry's own normalisation of events: a JSON array of them on standard input, what it makes of each on standard output.
import json
import sys
from sentry_relay.processing import StoreNormalizer

normalizer = StoreNormalizer(project_id=1)
json.dump([normalizer.normalize_event(event) for event in json.load(sys.stdin)], sys.stdout)
