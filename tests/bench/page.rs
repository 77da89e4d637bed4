//! docs/BENCHMARKS.md: a section a part of the bench, each written anew by its part alone.

/// What stands above all sections.
const HEAD: &str = "# Benchmarks\n\n\
    `make bench` wrote this page, a section a part: each says what it measured, where, and which goals were missed.\n\
    `PHONED_BENCH_ONLY=NAME make bench` runs one part and writes its section anew; the others stay as they are.\n";

/// The page with that section in place of the one of the same heading. `order` is that of the headings; a section that it does not name
/// comes last.
pub fn with_section(page: &str, order: &[&str], heading: &str, text: &str) -> String {
    let mut sections: Vec<(&str, &str)> =
        page.split("\n## ").skip(1).map(|s| s.split_once('\n').unwrap_or((s, ""))).collect();
    match sections.iter_mut().find(|(name, _)| *name == heading) {
        Some(section) => section.1 = text,
        None => sections.push((heading, text)),
    }
    sections.sort_by_key(|(name, _)| order.iter().position(|heading| heading == name).unwrap_or(order.len()));
    let sections = sections.iter().map(|(name, text)| format!("\n## {name}\n\n{}\n", text.trim_matches('\n')));
    std::iter::once(HEAD.to_string()).chain(sections).collect()
}
