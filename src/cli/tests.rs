//! The list of commands in `docs/commands.md`, compared with the commands.
//!
//! With `UPDATE_DOCS=1` the test writes the list instead.

use clap::{Arg, ArgAction, Command, CommandFactory};

use super::Cli;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/commands.md");
const BEGIN: &str = "<!-- begin commands -->\n";
const END: &str = "<!-- end commands -->";

/// An argument as usage shows it: `FILE`, `[DIR]`, `FILE…`, `--limit LIMIT`.
fn shown(argument: &Arg) -> String {
    let names = argument.get_value_names().unwrap_or_default();
    let value = names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let many = if argument.get_num_args().is_some_and(|count| count.max_values() > 1) { "…" } else { "" };
    let takes_value = matches!(argument.get_action(), ArgAction::Set | ArgAction::Append);
    match (argument.get_long(), takes_value) {
        (Some(long), true) => format!("--{long} {value}{many}"),
        (Some(long), false) => format!("--{long}"),
        (None, _) if argument.is_required_set() => format!("{value}{many}"),
        (None, _) => format!("[{value}{many}]"),
    }
}

/// Rows of `command` and of everything under it.
fn rows(command: &Command, path: &str, rows: &mut Vec<String>) {
    if command.has_subcommands() {
        let shown = command.get_subcommands().filter(|sub| !sub.is_hide_set());
        shown.for_each(|sub| self::rows(sub, &format!("{path} {}", sub.get_name()), rows));
        return;
    }
    let everywhere = ["json", "url", "token", "help", "version"];
    let arguments: Vec<&Arg> = command
        .get_arguments()
        .filter(|argument| !argument.is_hide_set() && !everywhere.contains(&argument.get_id().as_str()))
        .collect();
    let positional: Vec<_> = arguments.iter().filter(|a| a.is_positional()).map(|a| format!(" {}", shown(a))).collect();
    let mut options: Vec<_> =
        arguments.iter().filter(|a| !a.is_positional()).map(|a| format!("`{}`", shown(a))).collect();
    options.sort();
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let (positional, options) = (positional.concat(), options.join(", "));
    rows.push(format!("| `{path}{positional}` | {} | {options} |\n", about.replace('|', "\\|")));
}

#[test]
fn the_page_of_commands_lists_every_command_and_option() {
    let mut command = Cli::command();
    command.build();
    let mut list = vec!["| command | what it does | options |\n|---|---|---|\n".to_owned()];
    for sub in command.get_subcommands() {
        rows(sub, sub.get_name(), &mut list);
    }
    let page = std::fs::read_to_string(PATH).unwrap();
    let (before, rest) = page.split_once(BEGIN).expect("the page has a place for the list");
    let (_, after) = rest.split_once(END).expect("the page has a place for the list");
    let expected = format!("{before}{BEGIN}{}{END}{after}", list.concat());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(PATH, &expected).unwrap();
        return;
    }
    assert!(list.len() > 30, "{list:?}");
    assert!(
        page == expected,
        "docs/commands.md does not list the commands as they are: run this test with UPDATE_DOCS=1 and review the change"
    );
}
