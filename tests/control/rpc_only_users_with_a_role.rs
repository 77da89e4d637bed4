//! Who a client is decides what it may do: a user in no role is turned away at the door, a role too low is refused by method.
//! Needs root (to become somebody else); without it only the own user is tried.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::fake_phone::FakePhone;
use phoned::config::Roles;
use serde_json::{Value, json};

fn client() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/client.py")
}

fn roles(admin: &[&str], call: &[&str], observe: &[&str]) -> Roles {
    let list = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    Roles { admin: list(admin), call: list(call), observe: list(observe) }
}

/// What `nobody` is answered. The door is opened as wide as it goes first: the roles alone decide.
async fn as_nobody(phone: &FakePhone, method: &str) -> Value {
    std::fs::set_permissions(&phone.socket, std::fs::Permissions::from_mode(0o666)).unwrap();
    std::fs::set_permissions(phone.socket.parent().unwrap(), std::fs::Permissions::from_mode(0o755)).unwrap();
    // A copy beside the socket: the place of the original may be closed to nobody.
    let phonectl = phone.socket.with_file_name("phonectl");
    if !phonectl.exists() {
        std::fs::copy(env!("CARGO_BIN_EXE_phonectl"), &phonectl).unwrap();
    }
    let (socket, method) = (phone.socket.clone(), method.to_owned());
    let output = tokio::task::spawn_blocking(move || {
        let user = ["--reuid=nobody", "--regid=nogroup", "--clear-groups"];
        Command::new("setpriv")
            .args(user)
            .arg(phonectl)
            .arg("--socket")
            .arg(socket)
            .args(["--json", "rpc", &method, "[\"1\"]"])
            .output()
    });
    let output = output.await.unwrap().unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let code = answer["error"]["code"].as_i64();
    assert_eq!(output.status.code(), Some(if code == Some(-231) { 4 } else { 0 }), "{output:?}");
    answer
}

fn root() -> bool {
    let root = nix::unistd::Uid::effective().is_root();
    if !root {
        eprintln!("not root: nobody else can be tried");
    }
    root
}

#[tokio::test]
async fn the_own_user_is_admin() {
    let phone = FakePhone::with_roles(roles(&[], &[], &[]));
    assert_eq!(phone.connect().await.call("daemon.shutdown", json!({})).await["result"], true);
    let mode = std::fs::metadata(&phone.socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_in_no_role_is_refused() {
    if root() {
        let phone = FakePhone::with_roles(roles(&["root"], &["@root", "daemon"], &["4711"]));
        let answer = as_nobody(&phone, "session.get").await;
        assert_eq!(answer["error"]["code"], -231);
        assert!(phone.seen.lock().unwrap().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_is_given_by_name_by_number_and_by_group() {
    if root() {
        for listed in ["nobody", "65534", "@nogroup"] {
            let phone = FakePhone::with_roles(roles(&[], &[], &[listed]));
            assert_eq!(as_nobody(&phone, "session.get").await["callId"], "1", "{listed}");
            assert_eq!(as_nobody(&phone, "session.hangup").await["error"]["code"], -231, "{listed}");
            let phone = FakePhone::with_roles(roles(&[], &[listed], &[]));
            assert_eq!(as_nobody(&phone, "session.hangup").await, true, "{listed}");
            assert_eq!(as_nobody(&phone, "account.remove").await["error"]["code"], -231, "{listed}");
            let phone = FakePhone::with_roles(roles(&[listed], &[], &[]));
            assert_eq!(as_nobody(&phone, "account.remove").await, true, "{listed}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pythons_standard_library_is_enough() {
    let phone = FakePhone::start();
    let socket = phone.socket.clone();
    let output = tokio::task::spawn_blocking(move || {
        Command::new("python3").arg(client()).arg(socket).args(["phone.call", "{\"number\": \"100\"}"]).output()
    });
    let answer: Value = serde_json::from_slice(&output.await.unwrap().unwrap().stdout).unwrap();
    assert_eq!((&answer["result"]["msg"], &answer["result"]["callId"]), (&json!("SUCCESS"), &json!("100")));
}
