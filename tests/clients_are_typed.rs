//! The TypeScript client: the compiler takes it with all its strictness, what users take without a compiler (`.mjs`, `.d.mts`) is
//! what it makes, and a program's mistakes are found by the types of the contract. (That they have every method and event of it is
//! `rpc_discover_describes_the_api::the_types_of_the_typescript_client_are_those_of_the_contract`.)
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::Command;

const CLIENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/clients/typescript");

/// The TypeScript compiler; panics with what it says where that is anything.
fn compile(arguments: &[&str]) {
    let tool = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tools/npm.sh");
    let found = Command::new(tool).args(["typescript@5.9.3", "@types/node@22.19.1"]).output().unwrap();
    assert!(found.status.success(), "no compiler: {}", String::from_utf8_lossy(&found.stderr));
    let modules = PathBuf::from(String::from_utf8(found.stdout).unwrap().trim());
    let output = Command::new("node")
        .arg(modules.join("typescript/bin/tsc"))
        .args(arguments)
        .arg("--typeRoots")
        .arg(modules.join("@types"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn what_users_take_is_what_the_compiler_makes() {
    let made = tempfile::tempdir().unwrap();
    compile(&["-p", CLIENT, "--outDir", made.path().to_str().unwrap()]);
    for file in ["phoned.mjs", "phoned.d.mts", "node.mjs", "node.d.mts"] {
        let now = std::fs::read_to_string(made.path().join(file)).unwrap();
        let kept = Path::new(CLIENT).join(file);
        if std::env::var_os("PHONED_BLESS").is_some() {
            std::fs::write(&kept, &now).unwrap();
        }
        let before = std::fs::read_to_string(&kept).unwrap_or_default();
        assert!(
            before == now,
            "docs/clients/typescript/{file} is not what its source says: PHONED_BLESS=1 cargo test --test clients_are_typed"
        );
    }
}

#[test]
fn a_programs_mistakes_are_found() {
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/typed.mts");
    compile(&[
        "--noEmit",
        "--strict",
        "--target",
        "ES2022",
        "--lib",
        "ES2022,DOM",
        "--module",
        "NodeNext",
        "--types",
        "node",
        program,
    ]);
}
