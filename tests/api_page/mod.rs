//! docs/API.md out of the contract and docs/API.template.md: a line `{{WORD}}` of the template becomes what the contract says.
//!
//! `{{methods FAMILY}}` is a section a method, `{{events PREFIX…}}` a table and the events' data, `{{types}}` the schemas that they
//! name, `{{errors}}` the table of errors. A family that the template leaves out is a fault.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde_json::Value;

/// The page.
pub fn page(template: &str, document: &Value) -> String {
    let mut page = String::from(
        "<!-- Made from the code and docs/API.template.md: PHONED_BLESS=1 cargo test --test rpc_discover_describes_the_api -->\n",
    );
    let mut families = BTreeSet::new();
    for line in template.lines() {
        match line.strip_prefix("{{").and_then(|line| line.strip_suffix("}}")).map(|line| line.split_once(' ')) {
            None => page += &format!("{line}\n"),
            Some(Some(("methods", family))) => {
                families.insert(family.to_owned());
                page += &methods(document, family);
            }
            Some(_) if line == "{{events}}" => page += &events(document),
            Some(_) if line == "{{types}}" => page += &types(document),
            Some(_) if line == "{{errors}}" => page += &errors(document),
            Some(_) => panic!("docs/API.template.md: {line} is unknown"),
        }
    }
    let all = list(&document["methods"]).iter().map(|method| family(method).to_owned());
    let left_out: Vec<String> = all.filter(|family| !families.contains(family)).collect();
    assert!(left_out.is_empty(), "docs/API.template.md has no line {{{{methods {}}}}}", left_out[0]);
    page
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Every name has one; the `phone.*` twins of `session.*` are told of once.
fn family(method: &Value) -> &str {
    text(&method["name"]).split('.').next().unwrap_or_default()
}

fn methods(document: &Value, wanted: &str) -> String {
    let names: BTreeSet<&str> = list(&document["methods"]).iter().map(|method| text(&method["name"])).collect();
    let is_twin = |method: &&Value| {
        let session = text(&method["name"]).replacen("phone.", "session.", 1);
        let same = list(&document["methods"]).iter().any(|one| {
            one["name"] == session && one["params"] == method["params"] && one["summary"] == method["summary"]
        });
        // These are no twins: docs/API.template.md says so.
        let own = ["session.get", "session.on", "session.off"].contains(&session.as_str());
        wanted == "phone" && !own && names.contains(session.as_str()) && same
    };
    let all: Vec<&Value> = list(&document["methods"]).iter().filter(|method| family(method) == wanted).collect();
    let mut out = String::new();
    for method in all.into_iter().filter(|method| !is_twin(method)) {
        out += &one_method(document, method);
    }
    out
}

fn one_method(document: &Value, method: &Value) -> String {
    let name = text(&method["name"]);
    let mut out = format!("### {name}\n\n{}\n", text(&method["summary"]));
    let params = list(&method["params"]);
    if !params.is_empty() {
        out += "\n| param | type | |\n|---|---|---|\n";
        for param in params {
            let optional = if param["required"] == true { "" } else { "?" };
            let default = param["schema"].get("default").filter(|value| !value.is_null() && !value.is_object());
            let default = default.map(|value| format!(" = `{value}`")).unwrap_or_default();
            let _ = writeln!(
                out,
                "| `{}`{optional}{default} | {} | {} |",
                text(&param["name"]),
                kind(document, &param["schema"]),
                cell(text(&param["description"]))
            );
        }
    }
    let errors: Vec<String> = list(&method["errors"])
        .iter()
        .filter_map(|error| document.pointer(text(&error["$ref"]).trim_start_matches('#')))
        .map(|error| error["code"].to_string())
        // These can come to any.
        .filter(|code| !["-32602", "-230", "-231", "-229"].contains(&code.as_str()))
        .collect();
    let _ = write!(out, "\nReturns {}.", kind(document, &method["result"]["schema"]));
    if !errors.is_empty() {
        let _ = write!(out, " Errors: {}.", errors.join(", "));
    }
    let _ = writeln!(out, " Role: {}.", text(&method["x-role"]));
    for example in list(&method["examples"]) {
        let params: Vec<String> = list(&example["params"])
            .iter()
            .map(|param| format!("{}: {}", param["name"], short(&param["value"])))
            .collect();
        let _ = write!(
            out,
            "\n```\n→ {{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"{name}\",\"params\":{{{}}}}}\n← {{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}}\n```\n",
            params.join(", "),
            short(&example["result"]["value"])
        );
    }
    out + "\n"
}

fn events(document: &Value) -> String {
    let mut out = String::from("| event | `data` | when |\n|---|---|---|\n");
    for event in list(&document["x-events"]) {
        let members = event["data"]["properties"].as_object();
        let required = |name: &str| list(&event["data"]["required"]).iter().any(|one| one == name);
        let members: Vec<String> = members
            .into_iter()
            .flatten()
            .map(|(name, schema)| {
                format!("`{name}`{}: {}", if required(name) { "" } else { "?" }, kind(document, schema))
            })
            .collect();
        let sample = if event["sample"] == true { " *sample*" } else { "" };
        let _ = writeln!(
            out,
            "| `{}`{sample} | {} | {} |",
            text(&event["name"]),
            members.join(", "),
            cell(text(&event["summary"]))
        );
    }
    out
}

fn types(document: &Value) -> String {
    let mut out = String::new();
    for (name, schema) in document["components"]["schemas"].as_object().into_iter().flatten() {
        let _ = write!(out, "### {name}\n\n{}\n\n", text(&schema["description"]));
        if let Some(members) = schema["properties"].as_object() {
            let required = |name: &str| list(&schema["required"]).iter().any(|one| one == name);
            out += "| member | type | |\n|---|---|---|\n";
            for (name, member) in members {
                let optional = if required(name) { "" } else { "?" };
                let _ = writeln!(
                    out,
                    "| `{name}`{optional} | {} | {} |",
                    kind(document, member),
                    cell(text(&member["description"]))
                );
            }
        } else if let Some(values) = schema["oneOf"].as_array() {
            out += "| value | |\n|---|---|\n";
            for value in values {
                let _ = writeln!(out, "| {} | {} |", kind(document, value), cell(text(&value["description"])));
            }
        } else {
            let _ = writeln!(out, "{}", kind(document, schema));
        }
        out += "\n";
    }
    out
}

fn errors(document: &Value) -> String {
    let mut all: Vec<&Value> =
        document["components"]["errors"].as_object().into_iter().flatten().map(|(_, one)| one).collect();
    all.sort_by_key(|error| -error["code"].as_i64().unwrap_or_default());
    let mut out = String::from("| code | message | means | what to do | again later |\n|---|---|---|---|---|\n");
    for error in all {
        let data = &error["data"];
        let later = if data["retryable"] == true { "yes" } else { "" };
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {later} |",
            error["code"],
            text(&error["message"]),
            cell(text(&data["describe"])),
            cell(text(&data["hint"]))
        );
    }
    out
}

/// A schema in a word or two.
fn kind(document: &Value, schema: &Value) -> String {
    let several = |key: &str| {
        schema[key].as_array().map(|all| all.iter().map(|one| kind(document, one)).collect::<Vec<_>>().join(" or "))
    };
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        // A few words say more than a link.
        let values = list(&document["components"]["schemas"][name]["oneOf"]);
        if (1..=5).contains(&values.len()) && values.iter().all(|value| value.get("const").is_some()) {
            return values.iter().map(|value| format!("`{}`", value["const"])).collect::<Vec<_>>().join(" or ");
        }
        return format!("[{name}](#{})", name.to_lowercase());
    }
    if let Some(value) = schema.get("const") {
        return format!("`{value}`");
    }
    if let Some(values) = schema["enum"].as_array() {
        return values.iter().map(|value| format!("`{value}`")).collect::<Vec<_>>().join(" or ");
    }
    if let Some(kinds) = several("oneOf").or_else(|| several("anyOf")).or_else(|| several("allOf")) {
        return kinds;
    }
    match &schema["type"] {
        Value::String(name) if name == "array" => format!("array of {}", items(document, schema)),
        Value::String(name) if name == "object" && schema["additionalProperties"].is_object() => {
            format!("object of {}", kind(document, &schema["additionalProperties"]))
        }
        Value::String(name) => name.clone(),
        Value::Array(kinds) => {
            let words: Vec<String> = kinds
                .iter()
                .map(|kind| {
                    if kind == "array" {
                        format!("array of {}", items(document, schema))
                    } else {
                        text(kind).to_owned()
                    }
                })
                .collect();
            words.join(" or ")
        }
        _ => "anything".to_owned(),
    }
}

fn items(document: &Value, schema: &Value) -> String {
    kind(document, &schema["items"])
}

/// Text that stays in its cell.
fn cell(text: &str) -> String {
    text.replace('\n', " ").replace('|', "\\|")
}

/// A value on one line; long members are cut out of it.
fn short(value: &Value) -> String {
    const LONG: usize = 160;
    let whole = value.to_string();
    if whole.len() <= LONG {
        return whole;
    }
    match value {
        Value::Object(members) => {
            let parts: Vec<String> = members
                .iter()
                .map(|(name, member)| {
                    let member = if member.to_string().len() > 60 { cut(member) } else { member.to_string() };
                    format!("\"{name}\":{member}")
                })
                .collect();
            format!("{{{}}}", parts.join(","))
        }
        Value::Array(_) => cut(value),
        _ => whole,
    }
}

fn cut(value: &Value) -> String {
    match value {
        Value::Array(entries) if entries.is_empty() => "[]".into(),
        Value::Array(_) => "[…]".into(),
        Value::Object(_) => "{…}".into(),
        other => other.to_string(),
    }
}
