//! docs/clients/typescript/api.d.mts out of the contract: every type, method and event of it in TypeScript.

use std::fmt::Write;

use serde_json::Value;

/// The file.
pub fn types(document: &Value) -> String {
    let mut out = String::from(
        "// Made from the code: PHONED_BLESS=1 cargo test --test rpc_discover_describes_the_api\n\
         // The types, methods and events of docs/API.md.\n",
    );
    for (name, schema) in document["components"]["schemas"].as_object().into_iter().flatten() {
        let _ = write!(out, "\n{}export type {name} = {};\n", comment(schema, 0), of(schema, 0));
    }
    out += "\n/** Every method: what it takes, by name, and what it returns. */\nexport interface Methods {\n";
    for method in list(&document["methods"]) {
        let members = list(&method["params"]).iter().map(|param| {
            (text(&param["name"]), &param["schema"], param["required"] == true, text(&param["description"]))
        });
        let params = object(members.collect(), 4);
        let result = of(&method["result"]["schema"], 4);
        let _ = writeln!(
            out,
            "  /** {} */\n  {}: {{\n    params: {params};\n    result: {result};\n  }};",
            text(&method["summary"]),
            method["name"],
        );
    }
    out += "}\n\n/** Every event: its `data`. */\nexport interface Events {\n";
    for event in list(&document["x-events"]) {
        let _ = writeln!(out, "  /** {} */\n  {}: {};", text(&event["summary"]), event["name"], of(&event["data"], 2));
    }
    out + "}\n"
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn comment(schema: &Value, indent: usize) -> String {
    let said = text(&schema["description"]).replace('\n', " ");
    if said.is_empty() { String::new() } else { format!("{:indent$}/** {said} */\n", "") }
}

/// A schema as a type.
fn of(schema: &Value, indent: usize) -> String {
    if let Some(name) = schema["$ref"].as_str() {
        return name.rsplit('/').next().unwrap_or_default().to_owned();
    }
    if let Some(one) = schema.get("const") {
        return one.to_string();
    }
    for several in ["oneOf", "anyOf"] {
        if let Some(all) = schema.get(several) {
            return union(list(all).iter().map(|one| of(one, indent)));
        }
    }
    if let Some(all) = schema.get("allOf") {
        return list(all).iter().map(|one| of(one, indent)).collect::<Vec<_>>().join(" & ");
    }
    match &schema["type"] {
        Value::String(name) => named(name, schema, indent),
        Value::Array(names) => union(names.iter().map(|name| named(text(name), schema, indent))),
        // Nothing is said: anything.
        Value::Null
            if schema
                .as_object()
                .is_none_or(|said| said.keys().all(|key| key == "description" || key == "default")) =>
        {
            "unknown".into()
        }
        _ => panic!("the contract has a schema that tests/api_types does not know: {schema}"),
    }
}

fn named(name: &str, schema: &Value, indent: usize) -> String {
    match name {
        "integer" | "number" => "number".into(),
        "array" => {
            let item = schema.get("items").map_or("unknown".into(), |items| of(items, indent));
            if item.contains('|') { format!("({item})[]") } else { format!("{item}[]") }
        }
        "object" => match (schema["properties"].as_object(), &schema["additionalProperties"]) {
            (Some(members), _) => {
                let required = list(&schema["required"]);
                let member = |(name, schema): (&'_ String, _)| {
                    (name.clone(), schema, required.contains(&Value::from(name.as_str())))
                };
                let members: Vec<(String, &Value, bool)> = members.iter().map(member).collect();
                let members =
                    members.iter().map(|(name, one, must)| (name.as_str(), *one, *must, text(&one["description"])));
                object(members.collect(), indent)
            }
            (None, Value::Object(_)) => format!("Record<string, {}>", of(&schema["additionalProperties"], indent)),
            (None, _) => "Record<string, unknown>".into(),
        },
        // string, boolean, null
        plain => plain.into(),
    }
}

fn object(members: Vec<(&str, &Value, bool, &str)>, indent: usize) -> String {
    if members.is_empty() {
        return "Record<string, never>".into();
    }
    let deeper = indent + 2;
    let mut out = String::from("{\n");
    for (name, schema, required, said) in members {
        if !said.is_empty() {
            let _ = writeln!(out, "{:deeper$}/** {} */", "", said.replace('\n', " "));
        }
        let _ = writeln!(out, "{:deeper$}{name}{}: {};", "", if required { "" } else { "?" }, of(schema, deeper));
    }
    let _ = write!(out, "{:indent$}}}", "");
    out
}

fn union(types: impl Iterator<Item = String>) -> String {
    let mut all: Vec<String> = Vec::new();
    for one in types {
        if !all.contains(&one) {
            all.push(one);
        }
    }
    all.join(" | ")
}
