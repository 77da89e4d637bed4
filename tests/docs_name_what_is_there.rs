//! What the documents name is there: every test that docs/SECURITY.md gives as proof, every file that a link leads to. A
//! part of the bench writes its own section.

#[path = "bench/page.rs"]
mod page;

use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_proof_is_a_test() {
    let text = read(&root().join("docs/SECURITY.md"));
    let mut promises = 0;
    for line in text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| promise")) {
        promises += 1;
        let proofs: Vec<&str> = line.split('`').filter(|piece| piece.contains("::")).collect();
        assert!(!proofs.is_empty(), "no proof: {line}");
        for proof in proofs {
            let (file, test) = proof.rsplit_once("::").expect("FILE::TEST");
            let code = read(&root().join(format!("tests/{}.rs", file.replace("::", "/"))));
            let at = code.find(&format!("fn {test}(")).unwrap_or_else(|| panic!("there is no test {proof}"));
            let before = code[..at].rfind("#[").expect("an attribute");
            let attributes = &code[code[..at].rfind("\n\n").unwrap_or(before)..at];
            assert!(attributes.contains("test]") || attributes.contains("::test("), "{proof} is no test: {attributes}");
            assert!(!attributes.contains("#[ignore"), "{proof} is left out");
        }
    }
    assert!(promises > 20, "{promises}");
}

#[test]
fn every_link_leads_somewhere() {
    let docs = std::fs::read_dir(root().join("docs")).expect("a folder").map(|entry| entry.expect("a file").path());
    let pages = docs.chain([root().join("README.md")]).filter(|path| path.extension().is_some_and(|end| end == "md"));
    let mut links = 0;
    for page in pages {
        let text = read(&page);
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap_or_default();
            if file.is_empty() || file.contains("://") {
                continue;
            }
            links += 1;
            let target: PathBuf = page.parent().expect("a folder").join(file);
            assert!(target.exists(), "{}: {link}", page.display());
        }
    }
    assert!(links > 5, "{links}");
}

#[test]
fn a_part_of_the_bench_writes_its_own_section() {
    let page = page::with_section("", &["Calls", "Speech"], "Speech", "clear");
    let page = page::with_section(&page, &["Calls", "Speech"], "Other", "kept\n\n| a |\n");
    let page = page::with_section(&page, &["Calls", "Speech"], "Calls", "many");
    assert!(page.starts_with("# Benchmarks\n"), "{page}");
    assert!(page.ends_with("\n\n## Calls\n\nmany\n\n## Speech\n\nclear\n\n## Other\n\nkept\n\n| a |\n"), "{page}");
    let again = page::with_section(&page, &["Calls", "Speech"], "Speech", "clearer\n");
    assert_eq!(again, page.replace("clear", "clearer"));
    let written = read(&root().join("docs/BENCHMARKS.md"));
    let section = written.split("\n## Calls\n").nth(1).and_then(|rest| rest.split("\n## ").next()).expect("a section");
    assert_eq!(page::with_section(&written, &[], "Calls", section), written, "the page is of this form");
}
