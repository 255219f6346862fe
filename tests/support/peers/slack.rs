//! Slack's incoming webhook, with Block Kit's documented limits (docs.slack.dev, reference of blocks and of incoming webhooks).

use serde_json::Value;

use super::{Peer, Received, Vendor};

/// A webhook that answers `ok`.
pub fn slack() -> Peer {
    Peer::start(Vendor { success: (200, "text/html", "ok"), violations })
}

/// Every text of the message, in reading order, for assertions on what people see.
pub fn texts(message: &Value) -> String {
    let mut found = vec![];
    collect_texts(message, &mut found);
    found.join("\n")
}

fn collect_texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (key, field) in fields {
                match field {
                    Value::String(text) if key == "text" => found.push(text.clone()),
                    other => collect_texts(other, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect_texts(item, found)),
        _ => {}
    }
}

fn violations(request: &Received) -> Vec<String> {
    let mut found = vec![];
    if request.method != "POST" || !request.header("content-type").is_some_and(|kind| kind.starts_with("application/json")) {
        found.push("slack: invalid_payload: not a POST of application/json".to_owned());
    }
    let message = request.json();
    if message["text"].as_str().unwrap_or_default().is_empty() {
        found.push("slack: no_text: `text` is what notifications and screen readers show".to_owned());
    }
    let attachments = message["attachments"].as_array().cloned().unwrap_or_default();
    for holder in std::iter::once(&message).chain(&attachments) {
        let blocks = holder["blocks"].as_array().cloned().unwrap_or_default();
        if blocks.len() > 50 {
            found.push(format!("slack: invalid_blocks: {} blocks, 50 at most", blocks.len()));
        }
        for block in &blocks {
            check_block(block, &mut found);
        }
    }
    found
}

fn check_block(block: &Value, found: &mut Vec<String>) {
    let mut bound = |what: &str, text: &Value, least: usize, most: usize| {
        let length = text.as_str().unwrap_or_default().chars().count();
        if length < least || length > most {
            found.push(format!("slack: invalid_blocks: {what} has {length} characters, {least} to {most} are allowed"));
        }
    };
    bound("block_id", &block["block_id"], 0, 255);
    let elements = block["elements"].as_array().cloned().unwrap_or_default();
    let kind = block["type"].as_str().unwrap_or_default();
    match kind {
        "header" => bound("a header", &block["text"]["text"], 1, 150),
        "section" => {
            let fields = block["fields"].as_array().cloned().unwrap_or_default();
            if fields.is_empty() || !block["text"].is_null() {
                bound("a section", &block["text"]["text"], 1, 3_000);
            }
            for field in &fields {
                bound("a field", &field["text"], 1, 2_000);
            }
            if fields.len() > 10 {
                found.push(format!("slack: invalid_blocks: {} fields, 10 at most", fields.len()));
            }
        }
        "actions" | "context" => {
            for element in &elements {
                if element["type"] == "button" {
                    bound("a button", &element["text"]["text"], 1, 75);
                    bound("a button's url", &element["url"], 0, 3_000);
                    bound("a button's value", &element["value"], 0, 2_000);
                }
            }
            let most = if kind == "context" { 10 } else { 25 };
            if elements.is_empty() || elements.len() > most {
                found.push(format!("slack: invalid_blocks: {} elements in {kind}, 1 to {most} are allowed", elements.len()));
            }
        }
        "divider" | "image" | "rich_text" => {}
        other => found.push(format!("slack: invalid_blocks: no block type {other:?}")),
    }
}
