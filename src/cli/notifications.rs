//! `reelmill notifications`: list, resend.

use clap::{Args, Subcommand};

use super::client::Client;
use super::executions::second;
use super::output::Output;
use super::{CliError, DaemonArgs, Exit};
use crate::api::notifications::NotificationPage;
use crate::model::ExecutionId;
use crate::store::Delivery;

/// List notifications and their deliveries, and send them again.
#[derive(Debug, Args)]
pub(super) struct NotificationsArgs {
    #[command(flatten)]
    daemon: DaemonArgs,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List notifications, newest first
    List {
        /// Only notifications that were dead-lettered: given up after the last attempt
        #[arg(long, alias = "set-aside")]
        dead_lettered: bool,
        /// Only notifications of this execution or job
        #[arg(long)]
        execution: Option<ExecutionId>,
        /// Most notifications to list, 1 to 1000
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
    },
    /// Send a notification again
    Resend {
        /// Number of the notification, from `notifications list`
        notification: i64,
    },
}

pub(super) async fn notifications(args: NotificationsArgs, output: Output) -> Result<Exit, CliError> {
    let client = Client::new(&args.daemon)?;
    match args.action {
        Action::List { dead_lettered, execution, limit } => {
            let mut query = vec![("limit", limit.to_string())];
            query.extend(dead_lettered.then(|| ("delivery", Delivery::SetAside.as_str().to_owned())));
            query.extend(execution.map(|id| ("execution", id.to_string())));
            list(&client.get("/v1/notifications", &query).await?, output);
        }
        Action::Resend { notification } => {
            client.post_only(&format!("/v1/notifications/{notification}/resend")).await?;
            if output.json {
                output.json_line(&serde_json::json!({ "type": "resent", "id": notification }));
            } else {
                output.line(format_args!("notification {notification} will be sent again"));
            }
        }
    }
    Ok(Exit::Done)
}

fn list(page: &NotificationPage, output: Output) {
    if output.json {
        output.json_line(page);
        return;
    }
    let row = |item: &crate::api::notifications::NotificationView| {
        let remark = item.error.clone().unwrap_or_default();
        [
            item.id.to_string(),
            item.execution.to_string(),
            item.state.to_string(),
            item.delivery.as_str().to_owned(),
            item.attempts.to_string(),
            second(&item.at),
            item.to.address().to_owned(),
            remark,
        ]
    };
    let rows: Vec<[String; 8]> = page.items.iter().map(row).collect();
    output.table(["ID", "EXECUTION", "TELLS", "DELIVERY", "ATTEMPTS", "AT (UTC)", "TO", ""], &rows);
    if page.next.is_some() {
        output.note("more notifications match: raise --limit, or filter with --dead-lettered or --execution");
    }
}
