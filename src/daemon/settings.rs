//! Settings that workflows refer to: reports those that the configuration does not have.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::config::Config;
use crate::model::Code;
use crate::model::plan::NotifyChannel;
use crate::workflow::Workflow;
use crate::yaml::nearest;

/// Code of a workflow that names a queue which the configuration does not list.
pub const UNLISTED_QUEUE: Code = Code::new("CFG0011");

/// The queue of activities that name none.
const DEFAULT_QUEUE: &str = "default";

/// The part of the configuration that workflows can refer to.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// True if webhooks can be sent: they are signed with a secret of the configuration.
    signed: bool,
    /// The queues that it lists; if empty, workflows may use any.
    queues: BTreeSet<String>,
}

impl Settings {
    /// Those of `config`.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        Self { signed: !config.webhooks.secret.is_empty(), queues: config.queues.keys().cloned().collect() }
    }

    /// The queues of a workflow that are not listed where some are, each as a sentence.
    #[must_use]
    pub fn unlisted_queues(&self, workflow: &Workflow) -> Vec<String> {
        if self.queues.is_empty() {
            return Vec::new();
        }
        let mut said = BTreeSet::new();
        let mut found = Vec::new();
        for activity in workflow.plan.graph.node_weights() {
            let queue = activity.queue.as_str();
            if queue == DEFAULT_QUEUE || self.queues.contains(queue) || !said.insert(queue) {
                continue;
            }
            let known = self.queues.iter().map(String::as_str);
            let hint = nearest(queue, known).map_or_else(
                || format!("it lists {}", self.queues.iter().cloned().collect::<Vec<_>>().join(", ")),
                |meant| format!("did you mean `{meant}`?"),
            );
            let (name, workflow) = (&activity.name, &workflow.name);
            found.push(format!(
                "activity `{name}` of workflow `{workflow}` waits in queue `{queue}`, which the configuration does not list ({hint})"
            ));
        }
        found
    }

    /// Logs settings that workflows need and the configuration does not have.
    pub fn tell(&self, workflows: &[Arc<Workflow>]) {
        for workflow in workflows {
            let webhook = |to: &NotifyChannel| matches!(to, NotifyChannel::Webhook(_));
            if !self.signed && workflow.plan.notify.iter().any(|target| webhook(&target.to)) {
                tracing::warn!(
                    code = "NOTE0003",
                    workflow = workflow.name,
                    "the workflow notifies a webhook, but `webhooks.secret` is not set: nothing is sent"
                );
            }
            for sentence in self.unlisted_queues(workflow) {
                tracing::warn!(code = UNLISTED_QUEUE.as_str(), "{sentence}");
            }
        }
    }
}
