//! Params, by name or by position, read strictly: what is missing, unknown or of the wrong type is named.

use jsonrpsee::types::ErrorObjectOwned;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::errors;

/// Reads params into the struct that describes them. `names` gives the order of positional ones.
pub(super) fn read<T: DeserializeOwned>(names: &[&str], raw: Option<&RawValue>) -> Result<T, ErrorObjectOwned> {
    let text = raw.map_or("{}", RawValue::get);
    match text.as_bytes().first() {
        Some(b'{') => {
            let mut json = serde_json::Deserializer::from_str(text);
            serde_path_to_error::deserialize(&mut json)
                .map_err(|error| refuse(&error.path().to_string(), &error.inner().to_string(), names))
        }
        Some(b'[') => {
            let object = Value::Object(by_name(names, text)?);
            serde_path_to_error::deserialize(object)
                .map_err(|error| refuse(&error.path().to_string(), &error.inner().to_string(), names))
        }
        _ => Err(errors::params("", "params is an object (by name) or an array (by position)", &order(names))),
    }
}

/// Positional params get their names; null stands for one that is left out.
fn by_name(names: &[&str], text: &str) -> Result<Map<String, Value>, ErrorObjectOwned> {
    let values: Vec<Value> = serde_json::from_str(text).map_err(|error| errors::params("", &error.to_string(), ""))?;
    if values.len() > names.len() {
        return Err(errors::params(&format!("[{}]", names.len()), "more params than the method has", &order(names)));
    }
    Ok(names.iter().map(ToString::to_string).zip(values).filter(|(_, value)| !value.is_null()).collect())
}

fn refuse(path: &str, describe: &str, names: &[&str]) -> ErrorObjectOwned {
    // serde names a missing or unknown member in its text only, and the path then ends at the object around it.
    let member = ["missing field `", "unknown field `", "duplicate field `"]
        .iter()
        .find_map(|start| describe.strip_prefix(start))
        .and_then(|rest| rest.split('`').next());
    let describe = describe.split(" at line ").next().unwrap_or(describe);
    let path = match (path, member) {
        (".", Some(member)) => member.to_owned(),
        (".", None) => String::new(),
        (path, Some(member)) if path.rsplit('.').next() != Some(member) => format!("{path}.{member}"),
        (path, _) => path.to_owned(),
    };
    errors::params(&path, describe, &order(names))
}

fn order(names: &[&str]) -> String {
    if names.is_empty() { "the method has no params".to_owned() } else { format!("params: {}", names.join(", ")) }
}
