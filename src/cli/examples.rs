//! Examples for the help of each command.
//!
//! **Invariant**: every command has an example, and every example parses; tests check both.

use clap::Command;

/// An identifier of an execution or a job.
macro_rules! id {
    () => {
        "01990f2e-7d51-7c3a-9b1f-3f2a6f1c8d20"
    };
}

/// All examples, grouped by command.
const EXAMPLES: &[&str] = &[
    "reelmill serve",
    "reelmill serve --data /var/lib/reelmill --workflows /etc/reelmill/workflows --slots 2",
    "reelmill serve --config reelmill.yaml",
    "reelmill doctor --config reelmill.yaml",
    "reelmill run workflows/vod.yaml clip.mp4 --output made",
    "reelmill run workflows/watermark.yaml clip.mp4 --bucket assets=workflows/assets",
    "reelmill validate workflows",
    "reelmill graph workflows/vod.yaml --format svg",
    "reelmill plan workflows/vod.yaml clip.mp4",
    "reelmill probe clip.mp4",
    "reelmill probe clip.mp4 --loudness --json",
    "reelmill templates list",
    "reelmill templates show h264-720p",
    "reelmill templates fit clip.mp4 --all",
    "reelmill put clip.mp4 s3://uploads/incoming/",
    "reelmill put *.mov s3://uploads/incoming/",
    concat!("reelmill get ", id!(), " made"),
    "reelmill get @last",
    "reelmill init",
    "reelmill init --bucket masters --output finished",
    "reelmill executions list --workflow vod --state failed,cancelled --since today",
    concat!("reelmill executions show ", id!(), " --follow"),
    "reelmill executions start vod s3://uploads/incoming/clip.mp4 --priority 9 --user-data order-17",
    concat!("reelmill executions cancel ", id!()),
    "reelmill executions cancel --all --workflow vod --state queued",
    concat!("reelmill executions retry ", id!(), " --set quality=high"),
    "reelmill executions retry --all --workflow vod --since today",
    concat!("reelmill executions reproducer ", id!(), " rungs"),
    concat!("reelmill executions priority ", id!(), " 10"),
    "reelmill jobs submit analysis s3://uploads/clip.mp4 --wait 30s",
    "reelmill jobs submit transcode s3://uploads/clip.mp4 --template h264-360p --output s3://media/small/",
    "reelmill jobs list --type transcode --state running",
    concat!("reelmill jobs show ", id!()),
    concat!("reelmill jobs cancel ", id!()),
    concat!("reelmill jobs priority ", id!(), " 10"),
    "reelmill workflows list",
    "reelmill workflows show vod",
    "reelmill workflows put vod workflows/vod.yaml",
    "reelmill workflows enable vod",
    "reelmill workflows disable vod",
    "reelmill events list --limit 10",
    "reelmill events explain s3://uploads/incoming/clip.mp4",
    "reelmill queues list",
    "reelmill queues pause default",
    "reelmill queues resume default",
    "reelmill queues set default --concurrency 4",
    "reelmill notifications list --dead-lettered",
    "reelmill notifications resend 17",
    concat!("reelmill logs ", id!(), " --follow"),
    "reelmill schema workflow > workflow.schema.json",
    "reelmill openapi > openapi.json",
    "reelmill completions fish > ~/.config/fish/completions/reelmill.fish",
    "reelmill completions bash > ~/.local/share/bash-completion/completions/reelmill",
];

/// Adds its examples to the help of each command.
pub(super) fn add(command: Command) -> Command {
    command.mut_subcommands(|group| {
        let words = format!("reelmill {}", group.get_name());
        show(group, &words).mut_subcommands(|command| {
            let words = format!("{words} {}", command.get_name());
            show(command, &words)
        })
    })
}

/// Adds the examples that begin with `words` to the help of `command`.
fn show(command: Command, words: &str) -> Command {
    let begins =
        |example: &&str| example.strip_prefix(words).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
    let lines: Vec<String> = EXAMPLES.iter().copied().filter(begins).map(|example| format!("  {example}")).collect();
    command.after_help(format!("Examples:\n{}", lines.join("\n")))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::super::Cli;
    use super::*;

    #[test]
    fn each_is_understood() {
        for example in EXAMPLES {
            let typed = example.split(" > ").next().unwrap();
            add(Cli::command())
                .try_get_matches_from(typed.split(' '))
                .unwrap_or_else(|error| panic!("{example}: {error}"));
        }
    }

    #[test]
    fn each_command_has_one() {
        let command = add(Cli::command());
        let actions = command.get_subcommands().flat_map(|group| {
            let alone = std::iter::once(group).filter(|group| !group.has_subcommands());
            alone.chain(group.get_subcommands())
        });
        for action in actions {
            let help = action.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("\n  reelmill "), "{} has no example", action.get_name());
        }
    }
}
