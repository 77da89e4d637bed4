//! Man pages and completions of both programs, for packages.

use std::fs;
use std::io;
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_complete::{Shell, generate_to};
use clap_mangen::Man;

/// Writes `phoned.8`, `phonectl.1` and the completions of bash, zsh and fish into a folder.
pub(super) fn generate(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let (daemon, ctl) = (crate::arguments::Arguments::command(), super::Arguments::command());
    for (command, section) in [(daemon, "8"), (ctl, "1")] {
        page(folder, command.clone(), section)?;
        let name = command.get_name().to_owned();
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            generate_to(shell, &mut command.clone(), &name, folder)?;
        }
    }
    Ok(())
}

/// One page: the verbs of a program have no pages of their own, so each stands in it with its arguments.
fn page(folder: &Path, command: Command, section: &str) -> io::Result<()> {
    let name = command.get_name().to_owned();
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let man = Man::new(command.clone()).section(section);
    let mut text = Vec::new();
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    let verbs: Vec<&Command> = command.get_subcommands().filter(|verb| !verb.is_hide_set()).collect();
    if !verbs.is_empty() {
        text.extend_from_slice(b".SH COMMANDS\n");
    }
    for verb in verbs {
        let usage = verb.clone().render_usage().to_string();
        let about = verb.get_about().map(ToString::to_string).unwrap_or_default();
        let usage = usage.trim_start_matches("Usage: ").replace('-', "\\-");
        text.extend_from_slice(format!(".TP\n\\fB{usage}\\fR\n{}\n", escape(&about)).as_bytes());
        for argument in verb.get_arguments().filter(|argument| !argument.is_hide_set() && argument.get_id() != "help") {
            let (what, help) = (argument.to_string(), argument.get_help().map(ToString::to_string));
            let Some(help) = help.filter(|_| !argument.is_global_set()) else { continue };
            text.extend_from_slice(format!(".RS\n.TP\n{}\n{}\n.RE\n", escape(&what), escape(&help)).as_bytes());
        }
    }
    man.render_extra_section(&mut text)?;
    man.render_version_section(&mut text)?;
    fs::write(folder.join(format!("{name}.{section}")), text)
}

/// As text of roff: nothing at the start of a line is an order.
fn escape(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('-', "\\-");
    text.lines().map(|line| format!("\\&{line}")).collect::<Vec<_>>().join("\n")
}
