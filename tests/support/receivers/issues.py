# For `bugsink-manage shell`: its issues with their events, oldest first, as one line of JSON.
import json
from events.models import Event
from issues.models import Issue

print(json.dumps([
    {
        "title": issue.title(),
        "events": [
            {
                "id": event.event_id.hex,
                "level": event.level,
                "title": event.title(),
                "environment": event.environment,
                "release": event.release,
                "tags": {tag.value.key.key: tag.value.value for tag in event.tags.select_related("value__key")},
            }
            for event in Event.objects.filter(issue=issue).order_by("digest_order")
        ],
    }
    for issue in Issue.objects.order_by("digest_order")
]))
